"""Bookkeeping of a run: enters what finished into the ledger, counts it, logs errors, reports progress."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exception

from fedleak.campaign import tensorboard
from fedleak.campaign.cell import Cell, Section
from fedleak.campaign.events import Errors, Events, ProgressTracker
from fedleak.campaign.federation_job import Federated, Federation, order_of
from fedleak.campaign.federation_rows import check_rows, federation_rows, good_for, tested_releases
from fedleak.campaign.ledger import Ledger
from fedleak.campaign.plan import (
    UNTUNED,
    Choice,
    MessageKey,
    cells_of,
    counts_of,
    expected_cells,
    place_of,
    sender_that_failed,
)
from fedleak.errors import FedleakError, OutputError, sentence
from fedleak.evaluation.message import Message
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.canonical import trained_as
from fedleak.experiment.experiment import Experiment
from fedleak.experiment.naming import algorithm_of, labeled_attacks
from fedleak.federation.outcome import ClientFailure
from fedleak.formatting import counted
from fedleak.results.row import Place
from fedleak.results.schema import Split
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder
from fedleak.statistics.tuning import tuned_variants


@dataclass(frozen=True, kw_only=True)
class ErrorLog:
    """What went wrong in a run that goes on all the same."""

    path: Path
    """The file of tracebacks."""
    events: Events
    errors: Errors = field(default_factory=Errors)

    def crashed(self, place: Place, saved: Saved) -> None:
        """An attack that raised; nothing where it did not."""
        if saved.crash is None:
            return
        where = f"{place.attack} on {' '.join(filter(None, [place.defense, place.federation]))}"
        where += f", round {place.round}, {place.client}"
        self.write(where, saved.crash.traceback)
        reason = (saved.rows[0].reason if saved.rows else None) or saved.crash.traceback.strip().splitlines()[-1]
        self._add(f"{where}: {reason}", (place.attack, reason), saved.crash.exit_status)

    def client_failed(self, defense: str, federation: str, failure: ClientFailure) -> None:
        """A client that did not do its part, or a round that was lost, but not where the experiment asked for it.

        But for whose it is, the same failure is of one kind.
        """
        if failure.planned:
            return
        where = " ".join(filter(None, [defense, federation]))
        who = "" if failure.client is None else f", client {failure.client}"
        sentence = f"{where}, round {failure.round}{who}: {failure.reason}"
        self._add(sentence, (defense, re.sub(r"\d+", "", failure.reason)), 2 if failure.user_error else 1)

    def federation_broke_down(self, title: str, rounds: int, error: FedleakError) -> None:
        """A federation that an error ended after so many rounds with messages."""
        kept = f"; what the server saw by then, in {counted(rounds, 'round')}, is attacked" if rounds else ""
        self._add(f"{title}: the federation broke down: {error}{kept}", (title,), error.exit_status)

    def broke(self, what: str, error: BaseException) -> None:
        """Something beside the cells failed: its traceback is kept, and the run has an error."""
        self.write(what, "".join(format_exception(error)))
        status = error.exit_status if isinstance(error, FedleakError) else 1
        self._add(f"{what}: {sentence(error)}", (what,), status)

    def write(self, where: str, traceback: str) -> None:
        """Keeps a traceback; raises `OutputError` where the file cannot be written."""
        try:
            with self.path.open("a") as log:
                log.write(f"{where}\n{traceback}\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from error

    def _add(self, sentence: str, kind: tuple[object, ...], exit_status: int) -> None:
        if self.errors.add(sentence, kind, exit_status):
            self.events.problem(sentence)


@dataclass(kw_only=True)
class Bookkeeping:
    """The books of one run."""

    campaign: Campaign
    folder: RunFolder
    ledger: Ledger
    progress: ProgressTracker
    log: ErrorLog
    tuning: int = 0
    """Federations and cells that are left to run until every variant of an attack was tried on the tuning seeds."""
    choice: Choice = UNTUNED
    """What is run on the seeds of the results; known when tuning is over, where only what was chosen is run there."""
    clean: dict[tuple[str, str] | None, Federated] = field(default_factory=dict)
    """Each federation that is over, by its key: those of clean code stand beside tampered ones."""
    lost_federations: list[FedleakError] = field(default_factory=list)
    """Why each federation came to nothing that did."""

    def federated(self, federation: Federation, federated: Federated, sections: Sequence[Section]) -> list[Cell]:
        """Enters a federation that is over, for each section that it serves; returns the cells that are left to run."""
        if federated.error is not None:
            if not federated.messages:
                self.lost_federations.append(federated.error)
            rounds = len({round for round, _ in federated.messages})
            self.log.federation_broke_down(federation.title, rounds, federated.error)
        if federated.traceback:
            self.log.write(f"federation {federation.title}", federated.traceback)
        self.progress.federated(federation.title, seconds=federated.seconds, reused=federated.reused)
        left = [cell for section in sections for cell in self._section(section, federation, federated)]
        if not sections:  # a twin that nobody asks for by itself
            for failure in federated.failures:
                self.log.client_failed(federation.defense.name, federation.point.federation, failure)
        self._tuned(federation.point.split, -1)
        self.progress.report()
        return left

    def waits(self, federation: Federation) -> bool:
        """Whether it is not yet known which attacks are run on its messages, or what its clean twin is like."""
        alone = federation.twin is not None and federation.twin not in self.clean
        return alone or (self.tuning > 0 and federation.point.split == "test")

    def _tuned(self, split: Split, more: int) -> None:
        if not self.campaign.only_chosen or split != "tuning":
            return
        self.tuning += more
        if self.tuning == 0:
            self.choice = Choice(tuned_variants(self.ledger.rows()))

    def attacked(self, cell: Cell, saved: Saved) -> None:
        """Enters a cell that is over."""
        self.progress.count(saved.rows)
        self.ledger.fill(cell, saved)
        self.log.crashed(cell.place, saved)
        self._tuned(cell.place.split, -1)
        self.progress.report()

    def require_a_federation(self) -> None:
        """Raises the first federation's error where none came to anything."""
        if self.lost_federations and len(self.lost_federations) == self.progress.federations:
            raise self.lost_federations[0]

    def _section(self, section: Section, federation: Federation, federated: Federated) -> list[Cell]:
        """Enters messages and failures of one section, by round and sender; returns its cells that are left to run."""
        number, point = section[0], self.campaign.points[section[0]]
        defense = next(row for row in point.experiment.defenses if row.name == section[1])
        choice, twin = self.choice, self.clean.get(federation.twin)
        known = federated.messages, choice, None if twin is None else twin.messages
        cells = _by_message(cells_of(self.campaign, number, self.folder.root, defense, *known))
        failed, others = _by_round(federated.failures, point.experiment)
        reasons = {**federated.unsent, **{message: failure.reason for message, failure in failed.items()}}
        messages = sorted({*federated.messages, *reasons}, key=order_of)
        cells_on = (len(choice.labels(self.campaign, point, defense.name, message)) for message in messages)
        self.progress.total += sum(cells_on) - expected_cells(self.campaign, point, defense, federation.records, choice)
        left_models = tested_releases(self.folder, point, defense, federated, self.log.broke)
        clean = good_for(self.folder, point.untampered, defense, twin, self.log.broke)
        rows = federation_rows(point, defense.name, federated, left_models, clean)
        self.ledger.federated(section, rows, check_rows(point, defense.name, federated))
        left: list[Cell] = []
        for message in messages:
            if message not in federated.messages:
                self._enter_failure(section, message, reasons[message])
            left += self._expect(cells.get(message, []))
        for failure in (*failed.values(), *others):
            self.log.client_failed(defense.name, point.federation, failure)
        return left

    def _expect(self, cells: Sequence[Cell]) -> list[Cell]:
        """Keeps a place for each cell, and enters those that an earlier start has finished; returns the others."""
        left = []
        for cell in cells:
            self._tuned(cell.place.split, 1)
            self.ledger.expect(cell)
            saved = cell_file.finished(self.folder.cell(cell.place), cell.address)
            if saved is None:
                left.append(cell)
            else:
                self._take_up(cell, saved)
        return left

    def _take_up(self, cell: Cell, saved: Saved) -> None:
        if not self.folder.events(cell.place).exists():
            tensorboard.write(cell, Message.of(self.folder, cell.place), saved)
        self.attacked(cell, saved)

    def _enter_failure(self, section: Section, message: MessageKey, reason: str) -> None:
        """Rows without a figure, for a message that was not sent."""
        point, defense = self.campaign.points[section[0]], section[1]
        tables = labeled_attacks(point.experiment)
        for label in self.choice.labels(self.campaign, point, defense, message):
            place = place_of(point, defense, message, label, algorithm_of(tables[label]))
            rows = place.failed(point.experiment.build_metrics(), reason)
            self.ledger.add(section, rows)
            self.progress.count(rows)


def books_of(campaign: Campaign, folder: RunFolder, events: Events) -> Bookkeeping:
    """Empty books, with a place for every section of a campaign."""
    points = enumerate(campaign.points)
    sections = [(number, defense.name) for number, point in points for defense in point.experiment.defenses]
    federations, cells = counts_of(campaign)
    metric = next(iter(campaign.first.metrics), "")
    tuning = {
        (point.federation, trained_as(point.experiment, row).name)
        for point in campaign.points
        if point.split == "tuning"
        for row in point.experiment.defenses
    }
    return Bookkeeping(
        campaign=campaign,
        tuning=len(tuning) if campaign.only_chosen else 0,
        folder=folder,
        ledger=Ledger(folder, sections),
        progress=ProgressTracker(events=events, metric=metric, federations=federations, total=cells),
        log=ErrorLog(path=folder.errors, events=events),
    )


def _by_message(cells: Sequence[Cell]) -> dict[MessageKey, list[Cell]]:
    found: dict[MessageKey, list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.place.round, cell.place.client), []).append(cell)
    return found


def _by_round(
    failures: Sequence[ClientFailure], experiment: Experiment
) -> tuple[dict[MessageKey, ClientFailure], list[ClientFailure]]:
    """Failures of victims and lost sums in recorded rounds, by round and sender, and all others."""
    recorded, attacks = experiment.federation.rounds, experiment.adversary.attacks
    failed: dict[MessageKey, ClientFailure] = {
        sender_that_failed(failure, experiment): failure
        for failure in failures
        if 1 <= failure.round <= recorded and (failure.client is None or attacks(failure.client))
    }
    return failed, [one for one in failures if one not in failed.values()]
