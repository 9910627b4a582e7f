"""Process pool on this machine, one thread each; a process that dies costs the job that it was at."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from threadpoolctl import threadpool_limits

from fedleak import progress
from fedleak.campaign.cell import Cell
from fedleak.campaign.workers import Advance, Finished, Job, Result, Workers, died, home_of, lost, run_job
from fedleak.errors import FedleakError
from fedleak.learning.device import take
from fedleak.processes.ending import how_it_ended, until_the_parent_ends
from fedleak.processes.home import settle
from fedleak.processes.preload import worker_context

WAIT_SECONDS = 0.2
TELL_SECONDS = 0.1
"""Between two messages of a worker that say how far its job is."""
MOST_STILLBORN = 3
"""Workers in a row that end before they are ready: something is wrong with all of them."""
READY, BEGUN = "ready", "begun"
Home = tuple[str | None] | None
"""An app, or none; of a worker that has not done anything yet it is open."""


@dataclass
class Worker:
    """A process, the pipe to it, and the job that it is at."""

    process: Any
    pipe: Connection
    gpu: int | None = None
    """Which GPU is its own, where there are any to compute on; its successor has the same."""
    ready: bool = False
    job: Job | None = None
    begun: bool = False
    """Whether it has said that the job reached it; one that did not is not lost with it."""
    fraction: float = 0.0
    home: Home = None
    """Whose jobs it does, from its first one on."""

    def fits(self, job: Job) -> bool:
        """Whether it may do the job: a process imports one app's modules, and no other's beside them."""
        return self.home is None or self.home == (home_of(job),)


class Pool(Workers):
    """Up to `jobs` processes, as there is work for them; GPUs are dealt out to them in turn.

    One pipe each: what a worker said before it died is read before its end is noticed.
    """

    def __init__(self, jobs: int, gpus: Sequence[int] = ()) -> None:
        self._gpus = gpus
        self.capacity = 2 * jobs
        self._context = worker_context()
        self._queue: deque[Job] = deque()
        self._stillborn = 0
        self._most = jobs
        self._workers: list[Worker] = []

    def submit(self, job: Job) -> None:
        self._queue.append(job)
        self._hand_out()

    def next(self, advance: Advance) -> Finished:
        while True:
            by_pipe: dict[Any, Worker] = {worker.pipe: worker for worker in self._workers}
            for pipe in wait(list(by_pipe), timeout=WAIT_SECONDS):
                finished = self._heard(by_pipe[pipe])
                if finished is not None:
                    return finished
            self._hand_out()
            cells = [isinstance(worker.job, Cell) for worker in self._workers]
            done = [worker.fraction for worker in self._workers]
            advance(
                math.fsum(one for one, cell in zip(done, cells, strict=True) if not cell),
                math.fsum(one for one, cell in zip(done, cells, strict=True) if cell),
            )

    def close(self, *, kill: bool) -> None:
        for worker in self._workers:
            if kill:
                worker.process.kill()
            worker.pipe.close()  # an idle worker ends when nobody can send it anything any more
        for worker in self._workers:
            worker.process.join()
            worker.process.close()
        self._workers, self._queue = [], deque()

    def _hand_out(self) -> None:
        """Gives each worker that waits the first job that it may do; starts others for jobs that nobody may do."""
        for worker in self._idle():
            job = next((one for one in self._queue if worker.fits(one)), None)
            if job is not None:
                self._give(worker, job)
        starting = sum(not worker.ready for worker in self._workers)
        if len(self._queue) <= starting:
            return
        if len(self._workers) < self._most:
            self._workers.append(self._started(self._gpu_of(len(self._workers))))
        elif idle := self._idle():  # of another app
            self._replace(idle[0])

    def _give(self, worker: Worker, job: Job) -> None:
        self._queue.remove(job)
        worker.job, worker.begun, worker.home = job, False, (home_of(job),)
        try:
            worker.pipe.send(job)
        except OSError:  # it died while it was idle; its end is noticed when it is heard
            self._queue.appendleft(job)
            worker.job = None

    def _idle(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.ready and worker.job is None]

    def _gpu_of(self, place: int) -> int | None:
        return self._gpus[place % len(self._gpus)] if self._gpus else None

    def _replace(self, worker: Worker) -> None:
        """Lets a worker go and puts another in its place, with its GPU."""
        worker.pipe.close()
        worker.process.join()
        self._workers[self._workers.index(worker)] = self._started(worker.gpu)

    def _heard(self, worker: Worker) -> Finished | None:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            return self._buried(worker)
        if message == READY:
            worker.ready, self._stillborn = True, 0
        elif isinstance(message, str):
            worker.begun = True
        elif isinstance(message, float):
            worker.fraction = message
        elif isinstance(message, BaseException):
            raise message
        elif worker.job is not None:
            job, worker.job, worker.fraction = worker.job, None, 0.0
            return Finished(job, message)
        return None

    def _buried(self, worker: Worker) -> Finished | None:
        """Puts another in the place of a worker that died; what its job came to."""
        worker.process.join()
        how = how_it_ended(worker.process.exitcode)
        if worker.job is not None and not worker.begun:
            self._queue.appendleft(worker.job)
            worker.job = None
        self._stillborn += not worker.ready
        if self._stillborn >= MOST_STILLBORN:
            raise FedleakError(
                f"worker processes end before they are at work ({how}); in a script, start a run with jobs below "
                "`if __name__ == '__main__':`, else look for what kills them"
            )
        self._replace(worker)
        return None if worker.job is None else lost(worker.job, died(how))

    def _started(self, gpu: int | None) -> Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, gpu), daemon=True)
        process.start()
        theirs.close()  # so that the pipe ends when the worker does
        return Worker(process=process, pipe=ours, gpu=gpu)


def _work(pipe: Connection, gpu: int | None = None) -> None:
    """In a worker: one job after another, on one thread, until the pipe ends. Ctrl-C is the parent's affair."""
    until_the_parent_ends()
    threadpool_limits(1)
    take(gpu)
    pipe.send(READY)
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        settle(home_of(job))
        pipe.send(BEGUN)
        pipe.send(_done(job, pipe))


def _done(job: Job, pipe: Connection) -> Result | FedleakError:
    """What the job came to, or what stands in the way of every job."""
    try:
        with progress.listening(_reporter(pipe)):
            return run_job(job)
    except FedleakError as error:
        return error


def _reporter(pipe: Connection) -> Callable[[int, int], None]:
    """Says how far a job is, now and then."""
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_SECONDS:
            last = time.monotonic()
            pipe.send(done / max(total, 1))

    return report
