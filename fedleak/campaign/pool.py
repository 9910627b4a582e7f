"""A pool of processes on this machine, one thread each; a process that dies costs the job that it was at."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from typing import Any

from pebble import ProcessExpired, ProcessPool
from threadpoolctl import threadpool_limits

from fedleak import progress
from fedleak.campaign.cell import Cell
from fedleak.campaign.jobs import Finished, Job, Result, died, lost, run_job
from fedleak.campaign.workers import Advance, Workers
from fedleak.errors import FedleakError
from fedleak.preload import worker_context

WAIT_SECONDS = 0.2
MOST_RESTARTS = 3
"""How often a pool that broke as a whole is set up again, before its jobs count as lost."""


class Pool(Workers):
    """`jobs` processes that start when there is something to do."""

    def __init__(self, jobs: int) -> None:
        self.capacity = 2 * jobs
        self._jobs = jobs
        self._context = worker_context()
        # For each worker how far its federation is, then for each how far its cell is.
        self._fractions = self._context.Array("d", 2 * jobs, lock=False)
        self._restarts = 0
        self._futures: dict[Future[Result], Job] = {}
        self._pool = self._started()

    def submit(self, job: Job) -> None:
        try:
            future = self._pool.schedule(_run, args=(job,))
        except RuntimeError as error:  # the pool broke while nobody looked
            self._restart(error)
            future = self._pool.schedule(_run, args=(job,))
        self._futures[future] = job

    def next(self, advance: Advance) -> Finished:
        while True:
            over, _ = wait(self._futures, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
            if over:
                future = over.pop()
                try:
                    return self._finished(future)
                except BrokenProcessPool as error:
                    self._restart(error)
            advance(sum(self._fractions[: self._jobs]), sum(self._fractions[self._jobs :]))

    def close(self, *, kill: bool) -> None:
        if kill:
            self._pool.stop()  # type: ignore[no-untyped-call]
        else:
            self._pool.close()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _finished(self, future: "Future[Result]") -> Finished:
        try:
            result = future.result()
        except ProcessExpired as error:
            self._fractions[:] = [0.0] * len(self._fractions)  # it can no longer take back what it had said
            return lost(self._futures.pop(future), died(_how(error.exitcode)))
        return Finished(self._futures.pop(future), result)

    def _restart(self, broken: RuntimeError) -> None:
        """All workers were killed while they were idle: a new pool takes over what the old one had not begun."""
        self._restarts += 1
        if self._restarts > MOST_RESTARTS:
            raise FedleakError(
                "worker processes end before they are at work; in a script, start a run with jobs below "
                "`if __name__ == '__main__':`, else look for what kills them"
            ) from broken
        self.close(kill=True)
        self._pool = self._started()
        left, self._futures = list(self._futures.values()), {}
        for job in left:
            self.submit(job)

    def _started(self) -> ProcessPool:
        slots = self._context.Value("i", 0)
        return ProcessPool(self._jobs, 0, _initialise, (slots, self._fractions), self._context)


def _how(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"exit status {exitcode}"
    return f"signal {-exitcode}, {signal.Signals(-exitcode).name}"


Tell = Callable[[Job, float], None]
_tell: ContextVar[Tell] = ContextVar("where a worker says how far its job is")


def _initialise(slots: Any, fractions: Any) -> None:
    """In a worker: takes a slot for its progress, one thread, leaves Ctrl-C to the parent, and dies with it."""
    with slots.get_lock():
        slot = slots.value
        slots.value += 1

    jobs = len(fractions) // 2

    def tell(job: Job, fraction: float) -> None:
        fractions[slot % jobs + jobs * isinstance(job, Cell)] = fraction

    _tell.set(tell)
    threadpool_limits(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A worker whose parent was killed has nobody to work for."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(job: Job) -> Result:
    tell = _tell.get()
    with progress.listening(lambda done, total: tell(job, done / max(total, 1))):
        try:
            return run_job(job)
        finally:
            tell(job, 0.0)
