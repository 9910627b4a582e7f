"""Where jobs run: in this process, in a pool of processes, or on Ray. The results are the same."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from fedleak import progress
from fedleak.campaign.cell import Cell
from fedleak.campaign.jobs import Finished, Job, run_job

Advance = Callable[[float, float], None]
"""Called with how much is done of the federations, and of the cells, being worked on: 1.5 is one and a half."""


class Workers(ABC):
    """Takes jobs, gives back what came of them."""

    capacity: int
    """Jobs to hold at a time: enough that no worker waits, few enough that what comes up can still go first."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Hands a job over."""

    @abstractmethod
    def next(self, advance: Advance) -> Finished:
        """The next job to be over; calls `advance` while it waits. Raises what ends the run."""

    @abstractmethod
    def close(self, *, kill: bool) -> None:
        """Lets the workers go; `kill` stops them in mid-job."""


class InThisProcess(Workers):
    """One job after another."""

    capacity = 1

    def __init__(self) -> None:
        self._queue: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def next(self, advance: Advance) -> Finished:
        job = self._queue.popleft()

        def tell(done: int, total: int) -> None:
            fraction = done / max(total, 1)
            advance(0.0, fraction) if isinstance(job, Cell) else advance(fraction, 0.0)

        with progress.listening(tell):
            return Finished(job, run_job(job))

    def close(self, *, kill: bool) -> None:  # noqa: ARG002  an exception has stopped the job already
        self._queue.clear()
