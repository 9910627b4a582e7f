"""A run while it goes on: federations feed cells to the workers, finished cells fill the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fedleak import board
from fedleak.campaign import cellfile
from fedleak.campaign.cell import Cell
from fedleak.campaign.cellfile import Saved
from fedleak.campaign.events import Events
from fedleak.campaign.federating import Engine, Federated, federate, order_of
from fedleak.campaign.folder import RunFolder
from fedleak.campaign.ledger import Ledger
from fedleak.campaign.plan import cells_of, labelled_attacks
from fedleak.campaign.workers import Workers
from fedleak.errors import FedleakError, OutputError
from fedleak.experiment import Experiment
from fedleak.federation.outcome import ClientFailure
from fedleak.gallery import draw_gallery
from fedleak.results import Place


@dataclass
class Execution:
    """The state of a run while it goes on."""

    experiment: Experiment
    folder: RunFolder
    engine: Engine
    events: Events
    done: int = 0
    total: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    """Sentence to exit status, in the order they came up; a sentence that comes again is not repeated."""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.folder.results)

    def execute(self, pool: Workers) -> None:
        """Federations, cells, pictures; the results are written whatever happens."""
        whole = False
        try:
            self._federate(pool)
            for cell, saved in pool.finished(lambda fraction: self.events.cells(self.done + fraction, self.total)):
                self._finish(cell, saved)
            whole = True
        finally:
            pool.close(kill=not whole)
            self.ledger.gather()
            self.ledger.write()
        self.events.drawing("gallery")
        draw_gallery(self.folder, self.experiment)

    def _federate(self, pool: Workers) -> None:
        """Runs the federations and queues their cells. One that fails leaves the others alone."""
        errors: list[FedleakError] = []
        for row in self.experiment.defenses:
            try:
                federated = federate(self.experiment, self.folder, row.name, self.engine, self._replies(row.name))
            except OutputError:
                raise
            except FedleakError as error:
                errors.append(error)
                federated = self._failed(error)
            self.events.federated(row.name, seconds=federated.seconds, reused=federated.reused)
            self._queue(row.name, federated, pool)
        if len(errors) == len(self.experiment.defenses):
            raise errors[0]

    def _replies(self, defense: str) -> Callable[[int, int], None]:
        return lambda done, total: self.events.federation(defense, done, total)

    def _failed(self, error: FedleakError) -> Federated:
        """A federation that came to nothing: as if each of its clients had failed in round 1."""
        clients = range(self.experiment.federation.clients)
        user = error.exit_status == OutputError.exit_status
        failures = [ClientFailure(client=c, round=1, reason=str(error), user_error=user) for c in clients]
        return Federated(messages=[], failures=failures, seconds=0.0, evaluation={}, reused=False)

    def _queue(self, defense: str, federated: Federated, pool: Workers) -> None:
        """Enters messages and failures into the ledger, by round and sender, and queues what is not finished."""
        cells = cells_of(self.experiment, self.folder.root, defense, federated.messages)
        failed = {(failure.round, failure.client): failure for failure in federated.failures}
        self.total += len(cells)
        for message in sorted({*federated.messages, *failed}, key=order_of):
            if message in failed:
                self._record(defense, failed[message])
            for cell in cells:
                if (cell.place.round, cell.place.client) == message:
                    self._start(cell, pool)
        self.events.cells(float(self.done), self.total)

    def _start(self, cell: Cell, pool: Workers) -> None:
        self.ledger.expect(cell)
        saved = cellfile.finished(cell.stem, cell.address)
        if saved is None:
            pool.submit(cell)
            return
        self.ledger.fill(cell, saved)
        if not board.events_of(self.folder, cell.place).exists():
            board.write(self.folder, cell.place, saved)
        self.done += 1

    def _finish(self, cell: Cell, saved: Saved) -> None:
        self.done += 1
        self.ledger.fill(cell, saved)
        if saved.crash is not None:
            self._crash(cell, saved)
        board.write(self.folder, cell.place, saved)
        self.events.cells(float(self.done), self.total)

    def _crash(self, cell: Cell, saved: Saved) -> None:
        assert saved.crash is not None
        place = cell.place
        where = f"{place.attack} on {place.defense}, round {place.round}, {place.client}"
        try:
            with self.folder.errors.open("a") as log:
                log.write(f"{where}\n{saved.crash.traceback}\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.folder.errors}: {error.strerror}") from error
        self._problem(f"{where}: {saved.rows[0].reason}", saved.crash.exit_status)

    def _record(self, defense: str, failure: ClientFailure) -> None:
        """Rows without a figure for a client that sent nothing."""
        for label in labelled_attacks(self.experiment):
            place = Place(
                attack=label,
                defense=defense,
                client=failure.client,
                round=failure.round,
                seed=self.experiment.seed,
            )
            self.ledger.add(place.failed(self.experiment.build_metrics(), failure.reason))
        where = f"{defense}, round {failure.round}, client {failure.client}"
        self._problem(f"{where}: {failure.reason}", 2 if failure.user_error else 1)

    def _problem(self, sentence: str, exit_status: int) -> None:
        if sentence not in self.problems:
            self.problems[sentence] = exit_status
            self.events.problem(sentence)
