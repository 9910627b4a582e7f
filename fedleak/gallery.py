"""`gallery.png`: the truth above the guesses, a row for each defense and attack, a column for each example."""

from pathlib import Path

from fedleak.experiment.campaign import Campaign
from fedleak.picture.collect import collect
from fedleak.picture.draw import draw
from fedleak.runs.folder import RunFolder


def draw_gallery(folder: RunFolder, campaign: Campaign) -> Path:
    """Draws what the cells of a run's first setting left on disk; raises `OutputError` where it cannot be written."""
    return draw(collect(folder, campaign), folder.gallery)
