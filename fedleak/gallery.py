"""`gallery.png`: the truth above the guesses, a row for each defense and attack, a column for each example."""

from pathlib import Path

from fedleak.campaign.folder import RunFolder
from fedleak.experiment import Experiment
from fedleak.picture.collect import collect
from fedleak.picture.draw import draw


def draw_gallery(folder: RunFolder, experiment: Experiment) -> Path:
    """Draws what the cells of a run left on disk; raises `OutputError` where the picture cannot be written."""
    return draw(collect(folder, experiment), folder.gallery)
