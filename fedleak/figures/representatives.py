"""Gallery of classes: what attacks say that a class looks like, beside private examples of it and blind guesses."""

import math
from collections.abc import Callable, Iterator, Sequence

from jaxtyping import Float
from torch import Tensor

from fedleak.campaign.plan import MessageKey, place_of
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.score import Score
from fedleak.errors import RecordingError
from fedleak.evaluation.exhibits import Exhibits, exhibits_of, view_of
from fedleak.evaluation.message import Message
from fedleak.experiment.access import looks_at, sees_model
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.canonical import trained_as
from fedleak.experiment.naming import labeled_attacks, title_of
from fedleak.figures.panels import Line, Panel, Picture
from fedleak.formatting import number
from fedleak.processes.home import at_home
from fedleak.results.row import Place, Row
from fedleak.results.schema import MODEL
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder

NOT_HELD, NOT_SHOWN = "no private example is of this class", "no image of this class"
NOTHING = Saved(rows=(), address="")
Judged = Row | Score
Said = Callable[[int], str]
"""The words below the image at a place."""
COLUMNS = 10
"""Classes shown at most."""
QUERIES = "adversary.queries"
CAPTIONS = (
    "below each guess whether it was recognised (“judges alone”: it convinced both, and is no nearer than guessing), "
    "and its SSIM to the private class mean"
)


def guesses_classes(table: dict[str, object]) -> bool:
    """Whether the attack of a table shows what classes look like."""
    return "representatives" in attacks.from_table(table).targets


def collect_classes(folder: RunFolder, campaign: Campaign) -> Panel | None:
    """Private examples and blind guesses of each class, and a line for each defense and attack; the first setting.

    Of several budgets of queries the largest, of several models the last. None where no attack was asked about classes.
    """
    point = _shown(campaign)
    tables = labeled_attacks(point.experiment)
    attacked = {label: sees_model(table) for label, table in tables.items() if guesses_classes(table)}
    if not attacked:
        return None
    of_model = any(attacked.values())
    key = _message(point, of_model=of_model)
    labels = [label for label, model in attacked.items() if model == of_model]
    cells = dict(_cells(folder, campaign, point, key, labels))
    first = next(iter(cells), (point.experiment.defenses[0].name, ""))
    exhibits = at_home(point.experiment.task.home, _exhibits, folder, point, _place(point, first[0], key))
    if exhibits is None:
        return None
    scored = next((saved.rows for saved in cells.values() if any(row.per_sample for row in saved.rows)), ())
    guesses = (
        Line(
            title=defense,
            subtitle=title_of(label, tables[label]),
            pictures=guess_pictures(exhibits, saved.guess, saved.rows),
        )
        for (defense, label), saved in cells.items()
    )
    return Panel(
        title=f"{point.experiment.name} · {point.experiment.task.label}",
        columns=_columns(exhibits),
        lines=(*known_lines(exhibits, scored), *guesses),
        note="; ".join([*_notes(campaign, point, exhibits, key), CAPTIONS]),
    )


def classes_beside(title: str, guess: Reconstruction, exhibits: Exhibits, scores: Sequence[Judged] = ()) -> Panel:
    """One guess below what is private of the classes, where that is known, and what is guessed without access."""
    return Panel(
        title=title,
        columns=_columns(exhibits),
        lines=(*known_lines(exhibits, scores), Line(title="guess", pictures=guess_pictures(exhibits, guess, scores))),
        note="; ".join([*_hidden(exhibits), *([CAPTIONS] if scores else [])]),
    )


def known_lines(exhibits: Exhibits, rows: Sequence[Judged] = ()) -> Iterator[Line]:
    """What is private of the classes, where that is known, and what is guessed without access."""
    of_prior, nothing = _said(rows, lambda row: row.prior_per_sample), _said((), lambda row: row.per_sample)
    shown = (
        ("private class mean", "", exhibits.private_mean, NOT_HELD, nothing),
        ("private example", "the first", exhibits.private_example, NOT_HELD, nothing),
        ("prior", "the mean public image,\nno access", exhibits.prior, NOT_SHOWN, of_prior),
        ("no access", "a public example\nat random", exhibits.drawn, NOT_SHOWN, nothing),
    )
    for title, subtitle, images, missing, said in shown:
        if images is not None:
            yield Line(title=title, subtitle=subtitle, pictures=_pictures(exhibits, images, missing, said))


def guess_pictures(exhibits: Exhibits, guess: Reconstruction, rows: Sequence[Judged]) -> tuple[Picture, ...]:
    """A guess with what is said of each of its images, or why there is none."""
    images = guess.representatives
    if images is None or len(images) != len(exhibits.classes):
        reason = guess.failure or "gives no images of these classes"
        return (Picture(reason=reason),) * len(exhibits.classes[:COLUMNS])
    return _pictures(exhibits, images, NOT_SHOWN, _said(rows, lambda row: row.per_sample))


def _pictures(
    exhibits: Exhibits,
    images: Float[Tensor, "asked *shape"],
    missing: str,
    said: Said,
) -> tuple[Picture, ...]:
    return tuple(
        Picture(image=exhibits.space.picture(image), caption=said(place))
        if bool(image.isfinite().all())
        else Picture(reason=missing)
        for place, image in enumerate(images[:COLUMNS])
    )


def _said(rows: Sequence[Judged], figures: Callable[[Judged], Sequence[float]]) -> Said:
    """What the metrics say of the image at a place: `recognised, 0.83`."""
    values = {row.metric: figures(row) for row in rows}

    def value(metric: str, place: int) -> float:
        own = values.get(metric, ())
        return own[place] if place < len(own) else math.nan

    def words(place: int) -> str:
        recognised, judged, looks = (value(metric, place) for metric in ("recognised", "judged", "class-ssim"))
        missed = "judges alone" if judged == 1 else "not"
        verdict = "" if math.isnan(recognised) else "recognised" if recognised else missed
        return ", ".join(filter(None, [verdict, "" if math.isnan(looks) else number(looks)]))

    return words


def _shown(campaign: Campaign) -> Point:
    """The first point, with as many queries as any that differs from it in these alone."""
    first = campaign.points[0]

    def rest(point: Point) -> object:
        own = {key: value for key, value in point.setting.items() if key != QUERIES}
        return point.experiment.seed, point.experiment.task, point.split, own

    alike = [point for point in campaign.points if rest(point) == rest(first)]
    return max(alike, key=lambda point: point.experiment.adversary.queries or 0)


def _message(point: Point, *, of_model: bool) -> MessageKey:
    """The last model that left the federation, or the first client's last update."""
    return (point.experiment.models[-1], MODEL) if of_model else (point.experiment.federation.rounds, 0)


def _place(point: Point, defense: str, key: MessageKey, label: str = "") -> Place:
    return place_of(point, defense, key, label, algorithm="")


def _cells(
    folder: RunFolder, campaign: Campaign, point: Point, key: MessageKey, labels: Sequence[str]
) -> Iterator[tuple[tuple[str, str], Saved]]:
    tables = labeled_attacks(point.experiment)
    for row in point.experiment.defenses:
        changed = any("release" in defense.acts_on for defense in Chain.build(row.chain))
        again = trained_as(point.experiment, row) != row and not changed
        for label in labels:
            if again and looks_at(tables[label]) is Released:
                continue  # nothing but answers differs, and it asks for none
            try:
                yield (row.name, label), cell_file.load(folder.cell(_place(point, row.name, key, label)))
            except RecordingError:
                if not campaign.only_chosen:
                    yield (row.name, label), NOTHING


def _exhibits(folder: RunFolder, point: Point, place: Place) -> Exhibits | None:
    """None where the message is not there."""
    message = Message.of(folder, place)
    try:
        view = view_of(message, point.experiment.adversary)
    except RecordingError:
        return None
    try:
        truth = message.truth
    except RecordingError:
        truth = None
    return exhibits_of(view, truth, place.seed, place.round, place.client)


def _notes(campaign: Campaign, point: Point, exhibits: Exhibits, key: MessageKey) -> Iterator[str]:
    round, who = key
    yield f"the model after round {round}" if who == MODEL else f"client {who}, round {round}"
    yield from _hidden(exhibits)
    if len(campaign.points) > 1:
        words = [f"{len(campaign.points)} settings", f"seed {point.experiment.seed}"]
        if QUERIES in point.setting:
            words.append(f"{point.experiment.adversary.queries:,} queries")
        yield f"one of {', '.join(words)}"


def _columns(exhibits: Exhibits) -> tuple[str, ...]:
    return tuple(f"class {label}" for label in exhibits.classes[:COLUMNS])


def _hidden(exhibits: Exhibits) -> Iterator[str]:
    if len(exhibits.classes) > COLUMNS:
        yield f"{COLUMNS} of {len(exhibits.classes)} classes shown"
