"""Hidden columns of images: what attacks on a cut give back of them, a row for each setting and each attack."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.campaign.plan import place_of
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import RecordingError
from fedleak.evaluation.cuts import CutMessage, message_at
from fedleak.evaluation.message import Message
from fedleak.experiment.access import cut_attack_of
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.naming import labeled_attacks
from fedleak.figures.panels import Line, Panel, Picture
from fedleak.formatting import setting_in_words
from fedleak.learning.images import Images
from fedleak.learning.split import ACTIVE
from fedleak.processes.home import at_home
from fedleak.results.row import Place
from fedleak.results.schema import ACTIVE as HOLDER
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder

COLUMNS = 8
"""Images shown at most."""
METRIC = "column-psnr"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the active party was asked about in one round: whole images, and which of their columns it lacks."""

    images: Float[Tensor, "rows channels height width"]
    hidden: tuple[int, ...]
    rows: Int[Tensor, " rows"]
    """By number."""
    space: Images

    def with_columns(self, guess: Float[Tensor, "rows channels height hidden"] | None) -> Tensor | None:
        """The images with these in the place of what is hidden; None where they are not of that shape."""
        part = self.images[..., list(self.hidden)]
        if guess is None or len(guess) < len(part) or guess.shape[1:] != part.shape[1:]:
            return None
        made = self.images.clone()
        made[..., list(self.hidden)] = guess[: len(part)].to(made)
        return made


def collect_hidden(folder: RunFolder, campaign: Campaign) -> Panel | None:
    """Truth, what is said without the embeddings, and a line for each attack; None where no columns of images were.

    Of the first seed and task, from the seat of the active party, in the first round; a line for each setting and
    defense whose rows are the same.
    """
    first = campaign.points[0]
    lines: list[Line] = []
    truth: Shown | None = None
    for point in _alike(campaign, first):
        for defense in point.experiment.defenses:
            for label in _labels(point):
                place = place_of(point, defense.name, (1, HOLDER), label, algorithm="")
                found, saved = at_home(point.experiment.task.home, _shown, folder, place), _saved(folder, place)
                if found is None or saved is None:
                    continue
                truth = truth or found
                if not torch.equal(truth.rows, found.rows):
                    continue
                if not lines:
                    lines.append(_line("truth", "", found.images, found, ()))
                    lines.append(_guess("prior", "no embedding used", saved.prior, found, ()))
                title = " ".join(filter(None, [setting_in_words(dict(point.setting)), defense.name]))
                lines.append(_guess(title, label, saved.guess, found, _decibels(saved)))
    if truth is None:
        return None
    return Panel(
        title=f"{first.experiment.name} · {first.experiment.task.label}",
        columns=tuple(f"row {row}" for row in truth.rows[:COLUMNS].tolist()),
        lines=tuple(lines),
        note=f"what the active party makes of {len(truth.hidden)} columns that it lacks, beside its own; round 1, seed "
        f"{first.experiment.seed}; below each guess the PSNR of what is hidden: higher means more leakage",
    )


def _alike(campaign: Campaign, first: Point) -> Iterator[Point]:
    """The reported points of the first seed and task in which parties hold columns."""
    own = first.experiment
    for point in campaign.points:
        experiment = point.experiment
        alike = (experiment.seed, experiment.task, point.split) == (own.seed, own.task, first.split)
        if alike and experiment.federation.split is not None:
            yield point


def _labels(point: Point) -> list[str]:
    """Attacks that are asked about columns and can be run by the active party."""
    found = {label: cut_attack_of(table) for label, table in labeled_attacks(point.experiment).items()}
    return [label for label, one in found.items() if one and one.asks == "columns" and HOLDER in one.seats]


def _shown(folder: RunFolder, place: Place) -> Shown | None:
    """None where there is no diary, no truth, or nothing that is an image."""
    message = message_at(Message.of(folder, place))
    if not isinstance(message, CutMessage):
        return None
    try:
        truth, rows = message.truth, message.asked("columns", torch.empty(0, dtype=torch.long))
    except RecordingError:
        return None
    if not isinstance(truth.space, Images) or not len(rows):
        return None
    held = message.network.places[ACTIVE]
    hidden = tuple(column for column in range(truth.space.width) if column not in held)
    kept = rows[:COLUMNS]
    return Shown(images=truth.inputs[kept], hidden=hidden, rows=kept, space=truth.space)


def _saved(folder: RunFolder, place: Place) -> Saved | None:
    try:
        return cell_file.load(folder.cell(place))
    except RecordingError:
        return None


def _decibels(saved: Saved) -> tuple[float, ...]:
    return next((row.per_sample for row in saved.rows if row.metric == METRIC), ())


def _guess(title: str, subtitle: str, made: Reconstruction, shown: Shown, figures: Sequence[float]) -> Line:
    images = shown.with_columns(made.columns)
    if images is None:
        reason = made.failure or "no guess of these columns"
        return Line(title=title, subtitle=subtitle, pictures=(Picture(reason=reason),) * len(shown.rows))
    return _line(title, subtitle, images, shown, figures)


def _line(title: str, subtitle: str, images: Tensor, shown: Shown, figures: Sequence[float]) -> Line:
    captions = [f"{value:.1f} dB" for value in figures[: len(images)]] or [""] * len(images)
    pictures = [
        Picture(image=shown.space.picture(image), caption=caption)
        for image, caption in zip(images, captions, strict=True)
    ]
    return Line(title=title, subtitle=subtitle, pictures=tuple(pictures))
