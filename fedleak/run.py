"""Runs a campaign: federations for each setting and defense, then every attack on every message, each a cell."""

import time
from dataclasses import dataclass
from pathlib import Path

from fedleak.campaign.campaign import Campaign
from fedleak.campaign.claim import claim, locked
from fedleak.campaign.events import Events
from fedleak.campaign.execution import Execution
from fedleak.campaign.folder import RunFolder
from fedleak.campaign.grid import campaign_of
from fedleak.campaign.jobs import Engine
from fedleak.campaign.pool import Pool
from fedleak.campaign.ray_workers import RayWorkers
from fedleak.campaign.reading import read_run
from fedleak.campaign.workers import InThisProcess, Workers
from fedleak.experiment import Experiment
from fedleak.gallery import draw_gallery
from fedleak.manifest import manifest_of
from fedleak.report.page import write_report
from fedleak.results import Row
from fedleak.threads import one_thread


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to."""

    folder: RunFolder
    rows: tuple[Row, ...]
    """In plan order."""
    problems: tuple[str, ...]
    """What went wrong on the way, a sentence each."""
    exit_status: int
    """0; 2 where the user can mend what went wrong; else 1."""


def run(
    what: Campaign | Experiment,
    out: Path,
    *,
    jobs: int = 1,
    engine: Engine = "loopback",
    overwrite: bool = False,
    events: Events | None = None,
) -> Outcome:
    """Runs a campaign into the folder `out`, or goes on with the same one that was started there before.

    Raises `OutputError` where `out` holds something else, is in use or cannot be written, and the federation's own
    error where no federation came to anything. Whatever ends it, what was finished stays in `results.jsonl`.
    """
    campaign = campaign_of(what) if isinstance(what, Experiment) else what
    folder, watching = RunFolder(out), events or Events()
    with locked(folder):
        resumed = claim(folder, campaign, overwrite=overwrite)
        execution = Execution(campaign, folder, engine, watching)
        manifest = manifest_of(campaign, engine=engine, jobs=jobs, resumed=resumed, cells=execution.standing.total)
        manifest.write(folder.manifest)
        started = time.perf_counter()
        with one_thread():
            execution.execute(_workers(engine, jobs))
        status = max(execution.problems.values(), default=0)
        manifest.ended(time.perf_counter() - started, status, execution.standing.done).write(folder.manifest)
        rows = tuple(execution.ledger.rows())
        if rows:
            _draw(folder, campaign, watching)
    return Outcome(
        folder=folder,
        rows=rows,
        problems=tuple(execution.problems),
        exit_status=status,
    )


def _workers(engine: Engine, jobs: int) -> Workers:
    if engine == "ray":
        return RayWorkers(jobs)
    return InThisProcess() if jobs == 1 else Pool(jobs)


def _draw(folder: RunFolder, campaign: Campaign, events: Events) -> None:
    events.drawing("gallery")
    draw_gallery(folder, campaign)
    events.drawing("report")
    write_report(read_run(folder.root), folder.report)
