"""Classes: what a model tells of those that were asked about, in a row of pictures, and how far its judges can err."""

from collections.abc import Iterator
from dataclasses import dataclass

from fedleak.contracts.released import Released
from fedleak.errors import NotApplicable
from fedleak.evaluation.judges import judges_of
from fedleak.experiment.access import looks_at
from fedleak.experiment.campaign import Campaign, distinct
from fedleak.experiment.canonical import attack_tables
from fedleak.figures.hidden_columns import collect_hidden
from fedleak.figures.panels import Line, Picture
from fedleak.figures.representatives import collect_classes, guesses_classes
from fedleak.formatting import listed, opening
from fedleak.report.pictures import data_uri
from fedleak.runs.folder import RunFolder
from fedleak.tasks import source_of

LINES = 40
"""Lines of pictures that a page shows at most."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One picture, with what is said of it; without one, why there is none."""

    source: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is private of the classes, a blind guess at them, or what one attack shows under one defense."""

    title: str
    subtitle: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """The pictures of one model, or update: a column for each class."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    of_weights: bool
    """Whether some attack has the weights, for which defenses of answers change nothing."""
    left_out: int
    """Rows that are not shown."""
    note: str
    judges: tuple[str, ...]
    """How often each judge is wrong of real examples, a sentence for each task."""


def classes_of(folder: RunFolder, campaign: Campaign) -> Classes | None:
    """The same pictures as in the gallery; None where no attack was asked about classes."""
    panel = collect_classes(folder, campaign)
    if panel is None:
        return None
    return Classes(
        columns=panel.columns,
        rows=tuple(_row(line) for line in panel.lines[:LINES]),
        of_weights=_of_weights(campaign),
        left_out=max(0, len(panel.lines) - LINES),
        note=f"{opening(panel.note)}.",
        judges=tuple(_judges(campaign)),
    )


def hidden_of(folder: RunFolder, campaign: Campaign) -> Classes | None:
    """The pictures of what attacks on a cut give back of images; None where none was asked about their columns."""
    panel = collect_hidden(folder, campaign)
    if panel is None:
        return None
    rows = tuple(_row(line) for line in panel.lines[:LINES])
    left_out, note = max(0, len(panel.lines) - LINES), f"{opening(panel.note)}."
    return Classes(columns=panel.columns, rows=rows, of_weights=False, left_out=left_out, note=note, judges=())


def _of_weights(campaign: Campaign) -> bool:
    tables = (table for experiment in distinct(campaign) for table in attack_tables(experiment))
    return any(looks_at(table) is Released for table in tables)


def _row(line: Line) -> Row:
    subtitle = " ".join(line.subtitle.split())
    return Row(title=line.title, subtitle=subtitle, tiles=tuple(_tile(one) for one in line.pictures))


def _tile(picture: Picture) -> Tile:
    if picture.image is None:
        return Tile(source="", words=picture.reason)
    return Tile(source=data_uri(picture.image), words=picture.caption)


def _judges(campaign: Campaign) -> Iterator[str]:
    experiments = [point.experiment for point in campaign.points]
    asked = [one for one in experiments if any(guesses_classes(table) for table in attack_tables(one))]
    for task in dict.fromkeys(experiment.task for experiment in asked):
        try:
            judges = judges_of(source_of(task))
        except NotApplicable as reason:
            yield f"How often the judges of {task.label} err is not known here: {reason}."
            continue
        errors = listed(f"{name} {error:.1%}" for name, error in judges.errors)
        yield (
            f"The judges of {task.label} learnt from all public examples, those that the adversary lacks too, and are "
            f"asked in scoring alone; of the task's test examples they take for another class: {errors}."
        )
