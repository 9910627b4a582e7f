"""Process pool on this machine, one thread each; a process that dies costs the job that it was at."""

import math
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from threadpoolctl import threadpool_limits

from fedleak import progress
from fedleak.campaign.cell import Cell
from fedleak.campaign.preload import worker_context
from fedleak.campaign.workers import Advance, Finished, Job, Result, Workers, died, lost, run_job
from fedleak.errors import FedleakError
from fedleak.learning.device import take

WAIT_SECONDS = 0.2
TELL_SECONDS = 0.1
"""Between two messages of a worker that say how far its job is."""
MOST_STILLBORN = 3
"""Workers in a row that end before they are ready: something is wrong with all of them."""
READY, BEGUN = "ready", "begun"


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
        starting = sum(not worker.ready for worker in self._workers)
        if len(self._queue) > starting and len(self._workers) < self._most and not self._idle():
            self._workers.append(
                self._started(self._gpus[len(self._workers) % len(self._gpus)] if self._gpus else None)
            )
        for worker in self._workers:
            if worker.ready and worker.job is None and self._queue:
                worker.job, worker.begun = self._queue.popleft(), False
                try:
                    worker.pipe.send(worker.job)
                except OSError:  # it died while it was idle; its end is noticed when it is heard
                    self._queue.appendleft(worker.job)
                    worker.job = None

    def _idle(self) -> bool:
        return any(worker.ready and worker.job is None for worker in self._workers)

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
        how = _how(worker.process.exitcode)
        worker.pipe.close()
        if worker.job is not None and not worker.begun:
            self._queue.appendleft(worker.job)
            worker.job = None
        self._stillborn += not worker.ready
        if self._stillborn >= MOST_STILLBORN:
            raise FedleakError(
                f"worker processes end before they are at work ({how}); in a script, start a run with jobs below "
                "`if __name__ == '__main__':`, else look for what kills them"
            )
        self._workers[self._workers.index(worker)] = self._started(worker.gpu)
        return None if worker.job is None else lost(worker.job, died(how))

    def _started(self, gpu: int | None) -> Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, gpu), daemon=True)
        process.start()
        theirs.close()  # so that the pipe ends when the worker does
        return Worker(process=process, pipe=ours, gpu=gpu)


def _how(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"exit status {exitcode}"
    return f"signal {-exitcode}, {signal.Signals(-exitcode).name}"


def _work(pipe: Connection, gpu: int | None = None) -> None:
    """In a worker: one job after another, on one thread, until the pipe ends. Ctrl-C is the parent's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)
    take(gpu)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    pipe.send(READY)
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
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


def _die_with_parent() -> None:
    """A worker whose parent was killed has nobody to work for, however long its job still takes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
