"""Where cells run: in this process, or in a pool of processes with one thread each. The results are the same."""

import multiprocessing
import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from fedleak import progress
from fedleak.campaign.cell import Cell, run_cell
from fedleak.campaign.cellfile import Saved
from fedleak.errors import FedleakError

Advance = Callable[[float], None]
"""Called with the fraction of cells' work that is done in the cells being worked on."""


class Workers(ABC):
    """Takes cells, gives back what they left."""

    @abstractmethod
    def submit(self, cell: Cell) -> None:
        """Queues a cell."""

    @abstractmethod
    def finished(self, advance: Advance) -> Iterator[tuple[Cell, Saved]]:
        """The cells as they finish, until all are; calls `advance` while it waits."""

    @abstractmethod
    def close(self, *, kill: bool) -> None:
        """Lets the workers go; `kill` stops them in mid-cell."""


def workers(jobs: int) -> Workers:
    """This process for one job, else a pool of `jobs` processes."""
    return InThisProcess() if jobs == 1 else Pool(jobs)


class InThisProcess(Workers):
    """One cell after another."""

    def __init__(self) -> None:
        self._queue: list[Cell] = []

    def submit(self, cell: Cell) -> None:
        self._queue.append(cell)

    def finished(self, advance: Advance) -> Iterator[tuple[Cell, Saved]]:
        for cell in self._queue:
            with progress.listening(lambda done, total: advance(done / max(total, 1))):
                saved = run_cell(cell)
            yield cell, saved

    def close(self, *, kill: bool) -> None:  # noqa: ARG002  an exception has stopped the cell already
        self._queue.clear()


class Pool(Workers):
    """Processes that start (importing torch takes seconds) while the federations run."""

    def __init__(self, jobs: int) -> None:
        context = _context()
        self._fractions = context.Array("d", jobs, lock=False)
        self._others = set(multiprocessing.active_children())
        # The pool starts a worker for each task that finds none idle, so that many empty tasks start them all.
        self._executor = ProcessPoolExecutor(jobs, context, _initialise, (context.Value("i", 0), self._fractions))
        self._cells: dict[Future[Saved], Cell] = {}
        for _ in range(jobs):
            self._executor.submit(_warm)

    def submit(self, cell: Cell) -> None:
        self._cells[self._executor.submit(_run, cell)] = cell

    def finished(self, advance: Advance) -> Iterator[tuple[Cell, Saved]]:
        while self._cells:
            done, _ = wait(self._cells, timeout=0.2, return_when=FIRST_COMPLETED)
            advance(sum(self._fractions))
            for future in done:
                cell = self._cells.pop(future)
                try:
                    yield cell, future.result()
                except BrokenProcessPool as error:
                    raise FedleakError(
                        "a worker process died, most likely for want of memory; run again with fewer --jobs: "
                        "finished cells are kept"
                    ) from error

    def close(self, *, kill: bool) -> None:
        mine = set(multiprocessing.active_children()) - self._others
        self._executor.shutdown(wait=not kill, cancel_futures=True)
        if kill:
            for process in mine:
                process.terminate()
            for process in mine:
                process.join()


def _context() -> Any:
    """Forks from a server that has torch loaded already, where the system can; never from this process's threads."""
    if "forkserver" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fedleak.campaign.workers"])
    return context


_tell: ContextVar[Callable[[float], None]] = ContextVar("where a worker says how far its cell is")


def _initialise(slots: "Synchronized[int]", fractions: Any) -> None:
    """In a worker: takes a slot for its progress, leaves Ctrl-C to the parent, and dies with it."""
    with slots.get_lock():
        slot = slots.value
        slots.value += 1

    def tell(fraction: float) -> None:
        fractions[slot % len(fractions)] = fraction

    _tell.set(tell)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """A worker whose parent was killed has nobody to work for."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _warm() -> None:
    """Nothing: by the time it runs, the worker has loaded what it needs."""


def _run(cell: Cell) -> Saved:
    tell = _tell.get()
    with progress.listening(lambda done, total: tell(done / max(total, 1))):
        try:
            return run_cell(cell)
        finally:
            tell(0.0)
