"""Gallery: truth and guesses gathered from the cells of a run, a row for each defense and attack, as `gallery.png`."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from fedleak.campaign.plan import place_of
from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import RecordingError
from fedleak.evaluation.message import Message
from fedleak.experiment.access import sees_model
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.naming import labeled_attacks
from fedleak.figures.hidden_columns import collect_hidden
from fedleak.figures.panels import Line, Panel, Picture, against, draw
from fedleak.figures.representatives import collect_classes, guesses_classes
from fedleak.figures.servers import collect_servers
from fedleak.figures.sheet import draw_sheet
from fedleak.learning.batch import Batch
from fedleak.results.row import Place
from fedleak.results.schema import AGGREGATE, Who
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder
from fedleak.settings.base import Table

COLUMNS = 8
"""Examples shown at most."""
ROUND = 1
"""The round that is shown."""
NO_GUESSES = "no attack here rebuilds examples from updates, so there is no guess to show beside them"


def draw_gallery(folder: RunFolder, campaign: Campaign) -> Path:
    """Draws what the cells of a run's first setting left on disk; raises `OutputError` where it cannot be written.

    Where a server cheats it is of all servers. Where attacks were asked about classes these are the gallery, or a
    picture of their own beside that of examples.
    """
    hidden = collect_hidden(folder, campaign)
    if hidden is not None:
        return draw(hidden, folder.gallery)
    servers = collect_servers(folder, campaign)
    if servers is not None:
        return draw_sheet(servers, folder.gallery)
    classes = collect_classes(folder, campaign)
    if classes is None:
        return draw(collect(folder, campaign), folder.gallery)
    tables = labeled_attacks(campaign.first).values()
    if all(guesses_classes(table) for table in tables):
        return draw(classes, folder.gallery)
    draw(classes, folder.gallery_of_classes)
    return draw(collect(folder, campaign), folder.gallery)


def collect(folder: RunFolder, campaign: Campaign) -> Panel:
    """Truth, the prior, a line for each defense and attack that rebuilds examples; the campaign's first setting."""
    return _Collector(folder, campaign).panel()


def rebuilds_from_updates(table: Table) -> bool:
    """Whether the attack of a table guesses the examples behind an update, and not what a model gives away."""
    return not sees_model(table) and "inputs" in attacks.from_table(table).targets and not guesses_classes(table)


@dataclass(frozen=True)
class Column:
    """One example: whose it is, and its place in that client's batch."""

    client: int
    place: int


class _Collector:
    def __init__(self, folder: RunFolder, campaign: Campaign) -> None:
        self.folder = folder
        self.campaign = campaign
        self.point = campaign.points[0]
        self.experiment = experiment = self.point.experiment
        self.defenses = [row.name for row in experiment.defenses]
        self.truths = self._truths()
        everything = _spread({client: len(batch) for client, batch in self.truths.items()})
        self.columns = sorted(everything[:COLUMNS], key=lambda column: (column.client, column.place))
        self.hidden = len(everything) - len(self.columns)
        self.cells = self._cells()

    def panel(self) -> Panel:
        guesses = tuple(self._guess_lines())
        prior = tuple(islice(self._prior_lines(), 1)) if guesses else ()
        return Panel(
            title=f"{self.experiment.name} · {self.experiment.task.label}",
            columns=tuple(self._heading(column) for column in self.columns),
            lines=(self._truth_line(), *prior, *guesses),
            note=self._note(bool(guesses)),
        )

    def _truths(self) -> dict[int, Batch]:
        """Each client's examples, from the first defense under which it sent something."""
        found: dict[int, Batch] = {}
        for defense in self.defenses:
            for client in filter(self.experiment.adversary.attacks, range(self.experiment.federation.clients)):
                if client not in found and (batch := _truth(self._message(defense, client))) is not None:
                    found[client] = batch
        return dict(sorted(found.items()))

    def _message(self, defense: str, who: Who) -> Message:
        return Message.of(self.folder, self._place(defense, who))

    def _place(self, defense: str, who: Who, attack: str = "") -> Place:
        return place_of(self.point, defense, (ROUND, who), attack, algorithm="")

    def _cells(self) -> dict[tuple[str, str, Who], Saved]:
        found: dict[tuple[str, str, Who], Saved] = {}
        for defense in self.defenses:
            senders: tuple[Who, ...] = (*self.truths, AGGREGATE)
            for who in senders:
                for label in labeled_attacks(self.experiment):
                    try:
                        found[defense, label, who] = cell_file.load(self.folder.cell(self._place(defense, who, label)))
                    except RecordingError:
                        continue  # no such message; its column says so
        return found

    def _guess_lines(self) -> Iterator[Line]:
        labels = [label for label, table in labeled_attacks(self.experiment).items()
                  if rebuilds_from_updates(table) and self._guesses_inputs(label)]  # fmt: skip
        for defense in self.defenses:
            for label in labels:
                if not self.campaign.only_chosen or any((defense, label, who) in self.cells for who in self.truths):
                    yield Line(title=defense, subtitle=label, pictures=self._pictures(defense, label))
            for label in labels:
                if (defense, label, AGGREGATE) in self.cells:
                    pictures = self._sum_pictures(defense, self.cells[defense, label, AGGREGATE].guess)
                    yield Line(title=defense, subtitle=f"{label}\non the sum", pictures=pictures)

    def _guesses_inputs(self, label: str) -> bool:
        """Whether an attack is after examples; one that always failed may be, unless it guessed labels somewhere."""
        guesses = [saved.guess for (_, own, _), saved in self.cells.items() if own == label]
        return any(g.inputs is not None for g in guesses) or all(g.labels is None for g in guesses)

    def _pictures(self, defense: str, label: str) -> tuple[Picture, ...]:
        by_client = {
            client: self._client_pictures(defense, client, self.cells.get((defense, label, client)))
            for client in {column.client for column in self.columns}
        }
        return tuple(by_client[column.client][column.place] for column in self.columns)

    def _client_pictures(self, defense: str, client: int, saved: Saved | None) -> list[Picture]:
        shown, truth = self.truths[client], _truth(self._message(defense, client))
        if saved is None or truth is None:
            return [Picture(reason="nothing was sent")] * len(shown)
        return _of_the_same(against(saved.guess, truth), truth, shown)

    def _sum_pictures(self, defense: str, guess: Reconstruction) -> tuple[Picture, ...]:
        message = self._message(defense, AGGREGATE)
        truth = _truth(message)
        if truth is None:
            return (Picture(reason="the truth is missing"),) * len(self.columns)
        pictures = iter(against(guess, truth))
        own = {client: one.examples for client, one in zip(message.cohort, message.deposits, strict=True)}
        apart = {client: [next(pictures) for _ in range(len(batch))] for client, batch in own.items()}
        by_client = {
            client: _of_the_same(apart[client], batch, self.truths[client])
            for client, batch in own.items()
            if client in self.truths
        }
        return tuple(
            by_client[column.client][column.place] if column.client in by_client else Picture(reason="not in the sum")
            for column in self.columns
        )

    def _truth_line(self) -> Line:
        shown = ((self.truths[column.client], column.place) for column in self.columns)
        pictures = (Picture(image=truth.space.picture(truth.inputs[place])) for truth, place in shown)
        return Line(title="truth", pictures=tuple(pictures))

    def _prior_lines(self) -> Iterator[Line]:
        """What guessing without any update gives; the same under every defense, so the first will do; none of texts."""
        if not all(truth.space.continuous for truth in self.truths.values()):
            return
        for defense in self.defenses:
            priors = {who: saved for (own, _, who), saved in self.cells.items() if own == defense}
            if all(column.client in priors for column in self.columns) and priors:
                pictures = tuple(
                    against(priors[column.client].prior, self.truths[column.client])[column.place]
                    for column in self.columns
                )
                yield Line(title="prior", subtitle="no update used", pictures=pictures)

    def _heading(self, column: Column) -> str:
        many = len(self.truths[column.client]) > 1
        return f"client {column.client}" + (f"\nexample {column.place}" if many else "")

    def _note(self, guessed: bool) -> str:
        notes = []
        if self.hidden:
            notes.append(f"{len(self.columns)} of {len(self.columns) + self.hidden} examples shown")
        if len(self.campaign.points) > 1:
            notes.append(f"setting 1 of {len(self.campaign.points)} ({self.point.federation})")
        if self.experiment.federation.rounds > ROUND:
            notes.append(f"round {ROUND} of {self.experiment.federation.rounds}")
        said = "below each guess its PSNR: higher means more leakage" if guessed else NO_GUESSES
        return "; ".join([*notes, said])


def _of_the_same(pictures: list[Picture], truth: Batch, shown: Batch) -> list[Picture]:
    """The pictures of a truth in the order of other examples: Poisson samples are not those of other defenses."""
    if torch.equal(truth.inputs, shown.inputs):
        return pictures
    known = {one.numpy().tobytes(): picture for one, picture in zip(truth.inputs, pictures, strict=True)}
    return [known.get(one.numpy().tobytes(), Picture(reason="not trained on here")) for one in shown.inputs]


def _spread(sizes: dict[int, int]) -> list[Column]:
    """Every example, the first of each client before the second of any: so a cut still shows all clients."""
    longest = max(sizes.values(), default=0)
    return [Column(client, place) for place in range(longest) for client, size in sizes.items() if place < size]


def _truth(message: Message) -> Batch | None:
    try:
        return message.truth
    except RecordingError:
        return None  # the client sent nothing under this defense
