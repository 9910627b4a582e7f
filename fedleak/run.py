"""Runs a campaign: federations for each setting and defense, then every attack on every message, each a cell."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedleak.analysis.analysis import Analysis
from fedleak.campaign.cell_job import BUGS
from fedleak.campaign.events import Events
from fedleak.campaign.execution import Execution
from fedleak.campaign.pool import Pool
from fedleak.campaign.ray_workers import RayWorkers
from fedleak.campaign.workers import Engine, InThisProcess, Workers
from fedleak.errors import BoundError, FedleakError, OutputError
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import Experiment
from fedleak.experiment.grid import campaign_of
from fedleak.randomness import one_thread
from fedleak.results.federation_row import read_federations
from fedleak.results.row import Row, read_results
from fedleak.runs.folder import RunFolder
from fedleak.runs.manifest import Manifest, manifest_of, read_manifest
from fedleak.runs.ownership import claim, locked
from fedleak.runs.reading import FinishedRun


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to."""

    folder: RunFolder
    analysis: Analysis
    """What it shows."""
    problems: tuple[str, ...]
    """What went wrong on the way, a sentence each."""
    exit_status: int
    """0; 2 where the user can mend what went wrong; else 1."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """In plan order."""
        return self.analysis.rows


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
        planned = execution.standing.total
        manifest = manifest_of(campaign, engine=engine, jobs=jobs, resumed=resumed, cells=planned)
        manifest.write(folder.manifest)
        with _ending(execution, manifest), one_thread():
            execution.execute(lambda: _workers(engine, jobs))
            analysis = _analysis(execution)
            _hold_to_bounds(execution, analysis)
        if analysis.rows:
            _draw(execution, analysis)
    return Outcome(
        folder=folder,
        analysis=analysis,
        problems=tuple(execution.problems),
        exit_status=execution.problems.exit_status,
    )


@contextmanager
def _ending(execution: Execution, manifest: Manifest) -> Iterator[None]:
    """Writes into the manifest how the block ended: by itself, by an error of ours, or interrupted."""
    started, status = time.perf_counter(), None
    try:
        yield
        status = execution.problems.exit_status
    except FedleakError as error:
        status = error.exit_status
        raise
    finally:
        seconds, standing = time.perf_counter() - started, execution.standing
        ended = manifest.ended(seconds, status, planned=standing.total, finished=standing.done)
        ended.write(execution.folder.manifest)


def _workers(engine: Engine, jobs: int) -> Workers:
    if engine == "ray":
        return RayWorkers(jobs)
    return InThisProcess() if jobs == 1 else Pool(jobs)


def _analysis(execution: Execution) -> Analysis:
    """Of the rows as the files have them, so that whoever reads the run later sees the same."""
    folder, standing = execution.folder, execution.standing
    return Analysis(
        campaign=execution.campaign,
        rows=tuple(read_results(folder.results)),
        federations=tuple(read_federations(folder.federations)),
        unfinished=max(0, standing.total - standing.done),
    )


def _hold_to_bounds(execution: Execution, analysis: Analysis) -> None:
    """A result that beats what is proved to be possible is a bug of ours, whatever else went well."""
    for bound in analysis.bounds:
        try:
            bound.check.require()
        except BoundError as error:
            execution.broke(bound.where, error)


def _finished(execution: Execution, analysis: Analysis) -> FinishedRun:
    return FinishedRun(
        folder=execution.folder,
        campaign=execution.campaign,
        rows=analysis.rows,
        federations=analysis.federations,
        manifest=read_manifest(execution.folder.manifest),
    )


def _draw(execution: Execution, analysis: Analysis) -> None:
    """Pictures for people. The results are there: a picture that cannot be drawn is a problem, not the run's end."""
    from fedleak.figures.gallery import draw_gallery  # these load what only they need
    from fedleak.report.page import write_report

    folder, events = execution.folder, execution.events
    try:
        events.drawing("gallery")
        draw_gallery(folder, execution.campaign)
        events.drawing("report")
        write_report(_finished(execution, analysis), analysis, folder.report)
    except BUGS as error:
        if isinstance(error, OutputError):
            raise
        execution.broke("the pictures could not be drawn", error)
