"""What workers do: run a federation, or attack one of its messages. Each job is independent of all others."""

from dataclasses import dataclass
from typing import Literal

from fedleak.campaign.cell import Cell, run_cell
from fedleak.campaign.cellfile import Saved
from fedleak.campaign.federating import Federated, Federation, came_to_nothing, run_federation_of
from fedleak.errors import FederationError

Engine = Literal["loopback", "simulation", "ray"]
"""What a run goes on: processes of this machine; the same with federations in Flower's simulation; tasks on Ray."""
Job = Federation | Cell
Result = Federated | Saved


@dataclass(frozen=True)
class Finished:
    """A job and what came of it; a failure of its own is a result, an exception here is one that ends the run."""

    job: Job
    result: Result


def run_job(job: Job) -> Result:
    """Does the job. Raises only what stands in the way of every job: a disk that is full or read-only."""
    return run_cell(job).told() if isinstance(job, Cell) else run_federation_of(job)


def lost(job: Job, reason: str) -> Finished:
    """A job whose process died."""
    if isinstance(job, Cell):
        return Finished(job, job.lost(reason))
    return Finished(job, came_to_nothing(job, FederationError(reason)))


def died(how: str) -> str:
    """The reason that is kept where a worker process died."""
    memory = "; most likely for want of memory: run again with fewer --jobs" if "SIGKILL" in how else ""
    return f"the process that ran it died ({how}){memory}"
