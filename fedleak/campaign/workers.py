"""Workers: run jobs in this process, in a pool of processes, or on Ray. The results are the same."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from fedleak import progress
from fedleak.campaign.cell import Cell
from fedleak.campaign.cell_job import run_cell
from fedleak.campaign.federation_job import Federated, Federation, broken_down, reusable, run_federation_of
from fedleak.errors import FederationError
from fedleak.experiment.canonical import named_in
from fedleak.learning.device import take
from fedleak.runs import cell_file
from fedleak.runs.cell_file import Saved

Engine = Literal["loopback", "simulation", "ray"]
"""What a run goes on: processes of this machine; the same with federations in Flower's simulation; tasks on Ray."""
Job = Federation | Cell
Result = Federated | Saved
Advance = Callable[[float, float], None]
"""Called with how much is done of the federations, and of the cells, being worked on: 1.5 is one and a half."""


@dataclass(frozen=True)
class Finished:
    """A job and what came of it; a failure of its own is a result, an exception here is one that ends the run."""

    job: Job
    result: Result


def run_job(job: Job) -> Result:
    """Does the job. Raises only what stands in the way of every job: a disk that is full or read-only."""
    return run_cell(job).without_pictures() if isinstance(job, Cell) else run_federation_of(job)


def left_by(job: Job) -> Result | None:
    """What an earlier attempt at the job finished on disk, where it did."""
    if not isinstance(job, Cell):
        return reusable(job)
    saved = cell_file.finished(job.folder.cell(job.place), job.address)
    return None if saved is None else saved.without_pictures()


def wants_gpu(job: Job) -> bool:
    """Whether it computes on a GPU, if only now and then."""
    return "cuda" in (named_in(job.table) if isinstance(job, Cell) else {job.point.experiment.device})


def home_of(job: Job) -> str | None:
    """Of an audited app where its modules lie: a process that imports these is given no job of another app."""
    return job.home if isinstance(job, Cell) else job.point.experiment.task.home


def lost(job: Job, reason: str) -> Finished:
    """A job whose process died."""
    if isinstance(job, Cell):
        return Finished(job, job.lost(reason))
    return Finished(job, broken_down(job, FederationError(reason)))


def died(how: str) -> str:
    """The reason that is kept where a worker process died."""
    memory = "; most likely for want of memory: run again with fewer --jobs" if "SIGKILL" in how else ""
    return f"the process that ran it died ({how}){memory}"


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

    def __init__(self, gpus: Sequence[int] = ()) -> None:
        self._queue: deque[Job] = deque()
        take(gpus[0] if gpus else None)

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def next(self, advance: Advance) -> Finished:
        job = self._queue.popleft()

        def report(done: int, total: int) -> None:
            fraction = done / max(total, 1)
            advance(0.0, fraction) if isinstance(job, Cell) else advance(fraction, 0.0)

        with progress.listening(report):
            return Finished(job, run_job(job))

    def close(self, *, kill: bool) -> None:  # noqa: ARG002  an exception has stopped the job already
        self._queue.clear()
