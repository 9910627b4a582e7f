"""A run while it goes on: federations first make messages, cells attack them, finished cells fill the ledger."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from traceback import format_exception
from typing import Literal

from fedleak import progress
from fedleak.campaign import tensorboard
from fedleak.campaign.cell import Cell, Section
from fedleak.campaign.events import Events, Problems, Standing
from fedleak.campaign.federation_job import Federated, Federation, order_of, reusable
from fedleak.campaign.ledger import Ledger
from fedleak.campaign.plan import Message, cells_of, expected_count, place_of
from fedleak.campaign.workers import Engine, Finished, Workers, run_job
from fedleak.errors import FedleakError, OutputError, sentence
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import NamedDefense
from fedleak.experiment.labels import labelled_attacks
from fedleak.federation.outcome import UNKNOWN_COST, ClientFailure
from fedleak.results.federation_row import FederationRow
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder


@dataclass
class Execution:
    """The state of a run while it goes on."""

    campaign: Campaign
    folder: RunFolder
    engine: Engine
    events: Events
    problems: Problems = field(default_factory=Problems)

    def __post_init__(self) -> None:
        self._sections: dict[tuple[str, str], list[Section]] = {}
        self._waiting: deque[Federation] = deque()
        self._ready: deque[Cell] = deque()
        self._errors: list[FedleakError] = []
        self._federated_so_far = 0
        engine: Literal["loopback", "simulation"] = "simulation" if self.engine == "simulation" else "loopback"
        total = 0
        for number, point in enumerate(self.campaign.points):
            for row in point.experiment.defenses:
                federation = Federation(root=self.folder.root, point=point, defense=row, engine=engine)
                if federation.key not in self._sections:
                    self._waiting.append(federation)
                self._sections.setdefault(federation.key, []).append((number, row.name))
                total += expected_count(point.experiment, row) * len(point.experiment.attacks)
        sections = [(n, row.name) for n, point in enumerate(self.campaign.points) for row in point.experiment.defenses]
        self.ledger = Ledger(self.folder, sections)
        self.standing = Standing(self.campaign.first.metrics[0] if self.campaign.first.metrics else "", total)

    def execute(self, workers: Callable[[], Workers]) -> None:
        """Federations and cells; the results are written whatever happens."""
        try:
            self._take_up()
            self.ledger.open()
            if self._ready or self._waiting:
                self._work(workers())
        finally:
            self.ledger.close()
        if self._errors and len(self._errors) == len(self._sections):
            raise self._errors[0]

    def _take_up(self) -> None:
        """Enters all that an earlier start left, before anything new is begun."""
        for _ in range(len(self._waiting)):
            federation = self._waiting.popleft()
            found = reusable(federation)
            if found is None:
                self._waiting.append(federation)
            else:
                self._federated(federation, found)

    def _work(self, pool: Workers) -> None:
        whole = False
        try:
            held = self._feed(pool, 0)
            while held:
                self._finish(pool.next(self._advance))
                held = self._feed(pool, held - 1)
            whole = True
        finally:
            pool.close(kill=not whole)

    def _feed(self, pool: Workers, held: int) -> int:
        """Keeps the workers busy, with cells where there are any; how many jobs they hold then."""
        while held < pool.capacity:
            if self._ready:
                pool.submit(self._ready.popleft())
                held += 1
            elif self._waiting:
                held += self._start(self._waiting.popleft(), pool)
            else:
                break
        return held

    def _start(self, federation: Federation, pool: Workers) -> bool:
        """Whether there is something to wait for: Flower's simulation has processes of its own, and is run here."""
        if self.engine == "simulation":
            with progress.listening(lambda done, total: self._advance(done / max(total, 1), 0.0)):
                result = run_job(federation)
            self._finish(Finished(federation, result))
        else:
            pool.submit(federation)
            return True
        return False

    def _advance(self, federations: float = 0.0, cells: float = 0.0) -> None:
        """Says how far everything is, with what is done of the jobs being worked on."""
        self.events.federations(self._federated_so_far + federations, len(self._sections))
        self.events.cells(self.standing.progress(cells))

    def _finish(self, finished: Finished) -> None:
        if isinstance(finished.job, Federation) and isinstance(finished.result, Federated):
            self._federated(finished.job, finished.result)
        elif isinstance(finished.job, Cell) and isinstance(finished.result, Saved):
            self._attacked(finished.job, finished.result)

    def _federated(self, federation: Federation, federated: Federated) -> None:
        """Queues the cells of every point that shares the federation, and enters who sent nothing."""
        self._federated_so_far += 1
        if federated.error is not None:
            self._errors.append(federated.error)
        name = " ".join(filter(None, [federation.defense.name, federation.point.federation]))
        if federated.traceback:
            self._log(f"federation {name}", federated.traceback)
        self.events.federated(name, seconds=federated.seconds, reused=federated.reused)
        for number, _ in self._sections[federation.key]:
            self._queue(number, federation.defense, federated)
        self._advance()

    def _queue(self, number: int, row: NamedDefense, federated: Federated) -> None:
        """Enters messages and failures into the ledger, by round and sender, and queues what is not finished."""
        point = self.campaign.points[number]
        cells = cells_of(self.campaign, number, self.folder.root, row, federated.messages)
        recorded = point.experiment.federation.rounds
        later = [failure for failure in federated.failures if failure.round > recorded]
        failed = {(failure.round, failure.client): failure for failure in federated.failures if failure not in later}
        self.standing.total += len({*federated.messages, *failed}) * len(point.experiment.attacks)
        self.standing.total -= expected_count(point.experiment, row) * len(point.experiment.attacks)
        self.ledger.federated((number, row.name), self._federation_rows(number, row, federated))
        attacked: dict[Message, list[Cell]] = {}
        for cell in cells:
            attacked.setdefault((cell.place.round, cell.place.client), []).append(cell)
        for message in sorted({*federated.messages, *failed}, key=order_of):
            if message in failed:
                self._failed(number, row, failed[message], sent=message in federated.messages)
            for cell in attacked.get(message, []):
                self._expect(cell)
        for failure in later:
            self._failed(number, row, failure, sent=True)

    def _expect(self, cell: Cell) -> None:
        self.ledger.expect(cell)
        saved = cell_file.finished(self.folder.cell(cell.place), cell.address)
        if saved is None:
            self._ready.append(cell)
            return
        if not self.folder.events(cell.place).exists():
            tensorboard.write(self.folder, cell, saved)
        self._attacked(cell, saved)

    def _attacked(self, cell: Cell, saved: Saved) -> None:
        self.standing.count(saved.rows)
        self.ledger.fill(cell, saved)
        if saved.crash is not None:
            self._crash(cell, saved)
        self._advance()

    def _crash(self, cell: Cell, saved: Saved) -> None:
        assert saved.crash is not None
        place = cell.place
        where = f"{place.attack} on {' '.join(filter(None, [place.defense, place.federation]))}"
        where += f", round {place.round}, {place.client}"
        self._log(where, saved.crash.traceback)
        reason = (saved.rows[0].reason if saved.rows else None) or saved.crash.traceback.strip().splitlines()[-1]
        self._problem(f"{where}: {reason}", (place.attack, reason), saved.crash.exit_status)

    def broke(self, what: str, error: BaseException) -> None:
        """Something beside the cells has a bug: its traceback is kept, and the run has a problem."""
        self._log(what, "".join(format_exception(error)))
        self._problem(f"{what}: {sentence(error)}", (what,), 1)

    def _log(self, where: str, traceback: str) -> None:
        try:
            with self.folder.errors.open("a") as log:
                log.write(f"{where}\n{traceback}\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.folder.errors}: {error.strerror}") from error

    def _failed(self, number: int, row: NamedDefense, failure: ClientFailure, *, sent: bool) -> None:
        """A problem; and rows without a figure, unless the update was sent all the same or nobody attacks the round."""
        point = self.campaign.points[number]
        if not sent:
            self._record(number, row, failure)
        where = " ".join(filter(None, [row.name, point.federation]))
        status = 2 if failure.user_error else 1
        said = f"{where}, round {failure.round}, client {failure.client}: {failure.reason}"
        self._problem(said, (row.name, re.sub(r"\d+", "", failure.reason)), status)  # but for whose it is, the same

    def _record(self, number: int, row: NamedDefense, failure: ClientFailure) -> None:
        point = self.campaign.points[number]
        for label, table in labelled_attacks(point.experiment).items():
            place = place_of(point, row.name, (failure.round, failure.client), label, table["use"])
            rows = place.failed(point.experiment.build_metrics(), failure.reason)
            self.ledger.add((number, row.name), rows)
            self.standing.count(rows)

    def _federation_rows(self, number: int, row: NamedDefense, federated: Federated) -> list[FederationRow]:
        point = self.campaign.points[number]
        return [
            FederationRow(
                task=point.experiment.task,
                setting=point.setting,
                federation=point.federation,
                split=point.split,
                defense=row.name,
                seed=point.experiment.seed,
                round=round,
                recorded=round <= point.experiment.federation.rounds,
                messages=sum(own == round for own, _ in federated.messages),
                failures=sum(failure.round == round for failure in federated.failures),
                accuracy=federated.evaluation.get(round, {}).get("accuracy", float("nan")),
                loss=federated.evaluation.get(round, {}).get("loss", float("nan")),
                **asdict(federated.costs.get(round, UNKNOWN_COST)),
                seconds=federated.seconds,
            )
            for round in range(1, point.experiment.rounds + 1)
        ]

    def _problem(self, said: str, kind: tuple[object, ...], exit_status: int) -> None:
        if self.problems.add(said, kind, exit_status):
            self.events.problem(said)
