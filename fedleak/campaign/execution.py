"""Execution of a campaign: federations first make messages, cells attack them, the books take what they come to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fedleak import progress
from fedleak.campaign.bookkeeping import Bookkeeping, books_of
from fedleak.campaign.cell import Cell
from fedleak.campaign.events import Events
from fedleak.campaign.federation_job import Federated, Federation, reusable
from fedleak.campaign.schedule import Schedule, schedule_of
from fedleak.campaign.workers import Engine, Finished, Workers, run_job
from fedleak.experiment.campaign import Campaign
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One run of a campaign, from what an earlier start left to the end."""

    engine: Engine
    schedule: Schedule
    books: Bookkeeping
    waiting: list[tuple[Federation, Federated]] = field(default_factory=list)
    """Federations that are over, whose messages are attacked when tuning has chosen how."""

    def execute(self, workers: Callable[[], Workers]) -> None:
        """Federations and cells; the results are written whatever happens."""
        try:
            self._take_up()
            self.books.ledger.open()
            if not self.schedule.empty:
                self._work(workers())
        finally:
            self.books.ledger.close()
        self.books.require_a_federation()

    def _take_up(self) -> None:
        """Enters all that an earlier start left, before anything new is begun."""
        waiting = self.schedule.federations
        for _ in range(len(waiting)):
            federation = waiting.popleft()
            found = reusable(federation)
            if found is None:
                waiting.append(federation)
            else:
                self._finish(Finished(federation, found))

    def _work(self, pool: Workers) -> None:
        whole = False
        try:
            held = self._feed(pool, 0)
            while held:
                self._finish(pool.next(self.books.progress.report))
                held = self._feed(pool, held - 1)
            whole = True
        finally:
            pool.close(kill=not whole)

    def _feed(self, pool: Workers, held: int) -> int:
        """Keeps the workers busy; how many jobs they hold then."""
        while held < pool.capacity and (job := self.schedule.next()) is not None:
            if isinstance(job, Federation) and self.engine == "simulation":
                self._simulate(job)
            else:
                pool.submit(job)
                held += 1
        return held

    def _simulate(self, federation: Federation) -> None:
        """Flower's simulation has processes of its own, and is run here."""
        with progress.listening(lambda done, total: self.books.progress.report(done / max(total, 1), 0.0)):
            result = run_job(federation)
        self._finish(Finished(federation, result))

    def _finish(self, finished: Finished) -> None:
        match finished.job, finished.result:
            case Federation() as federation, Federated() as federated:
                self.waiting.append((federation, federated))
                self.books.clean[federation.key] = federated
            case Cell() as cell, Saved() as saved:
                self.books.attacked(cell, saved)
        self._enter()

    def _enter(self) -> None:
        """Enters the federations of which it is known how their messages are attacked."""
        ready = [one for one in self.waiting if not self.books.waits(one[0])]
        self.waiting[:] = [one for one in self.waiting if self.books.waits(one[0])]
        for federation, federated in ready:
            sections = self.schedule.sections[federation.key]
            self.schedule.cells.extend(self.books.federated(federation, federated, sections))
        if ready:
            self._enter()  # the last one of tuning, all of whose cells an earlier start finished, lets the others go


def execution_of(campaign: Campaign, folder: RunFolder, engine: Engine, events: Events) -> Execution:
    """A run that is yet to begin."""
    schedule, books = schedule_of(campaign, folder, engine), books_of(campaign, folder, events)
    return Execution(engine=engine, schedule=schedule, books=books)
