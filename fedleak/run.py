"""Runs of a campaign: federations for each setting and defense, then every attack on every message, each a cell."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedleak.analysis.analysis import Analysis
from fedleak.analysis.bounds import Bound
from fedleak.analysis.singleton_bounds import SingletonBound
from fedleak.campaign.bookkeeping import Bookkeeping
from fedleak.campaign.cell_job import BUGS
from fedleak.campaign.events import Events
from fedleak.campaign.execution import execution_of
from fedleak.campaign.plan import devices_of
from fedleak.campaign.pool import Pool
from fedleak.campaign.ray_workers import RayWorkers
from fedleak.campaign.workers import Engine, InThisProcess, Workers
from fedleak.errors import BoundError, ConfigError, FedleakError, OutputError
from fedleak.evaluation.asked_amounts import require_amounts
from fedleak.evaluation.asked_shares import require_told_apart
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import Experiment
from fedleak.experiment.grid import campaign_of
from fedleak.learning.device import dealt
from fedleak.processes.home import leave_homes
from fedleak.progress import listening
from fedleak.randomness import one_thread
from fedleak.results.federation_row import read_federations
from fedleak.results.row import Row, read_results
from fedleak.runs.folder import RunFolder
from fedleak.runs.kept_apps import apps_of, with_kept
from fedleak.runs.manifest import Manifest, manifest_of, read_manifest
from fedleak.runs.ownership import claim, locked
from fedleak.runs.reading import FinishedRun
from fedleak.tasks import source_of


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
    gpu: int | None = None,
    events: Events | None = None,
) -> Outcome:
    """Runs a campaign into the folder `out`, or goes on with the same one that was started there before.

    Where the experiment says `device = "cuda"`, the GPUs of this machine are dealt out to the jobs in turn, or all get
    the one that `gpu` names; Ray gives each job one of the cluster's. Raises `ConfigError` where there is none.

    Raises `OutputError` where `out` holds something else, is in use or cannot be written, and the federation's own
    error where no federation came to anything. Whatever ends it, what was finished stays in `results.jsonl`.
    """
    campaign = campaign_of(what) if isinstance(what, Experiment) else what
    folder, watching = RunFolder(out), events or Events()
    start = _workers(campaign, engine, jobs, folder.root, gpu)
    require_amounts(point.experiment for point in campaign.points)
    _require_told_apart(campaign)
    with locked(folder):
        resumed = claim(folder, campaign, overwrite=overwrite)
        campaign = with_kept(campaign, folder)
        leave_homes()
        execution = execution_of(campaign, folder, engine, watching)
        books = execution.books
        manifest = manifest_of(campaign, engine=engine, jobs=jobs, resumed=resumed, cells=books.progress.total)
        manifest.write(folder.manifest)
        with _ending(books, manifest), one_thread():
            execution.execute(start)
            analysis = _analysis(books)
            _hold_to_bounds(books, analysis)
        if analysis.rows:
            _draw(books, analysis)
    errors = books.log.errors
    return Outcome(folder=folder, analysis=analysis, problems=tuple(errors), exit_status=errors.exit_status)


def _require_told_apart(campaign: Campaign) -> None:
    """Refuses shares of a property that nobody has, or that public examples cannot have, before anything runs."""
    asked = {
        repr((experiment.task, experiment.adversary)): experiment
        for experiment in (point.experiment for point in campaign.points)
        if experiment.adversary.property
    }
    for experiment in asked.values():
        require_told_apart(experiment.adversary, source_of(experiment.task))


@contextmanager
def _ending(books: Bookkeeping, manifest: Manifest) -> Iterator[None]:
    """Writes into the manifest how the block ended: by itself, by an error of ours, or interrupted."""
    started, status = time.perf_counter(), None
    try:
        yield
        status = books.log.errors.exit_status
    except FedleakError as error:
        status = error.exit_status
        raise
    finally:
        seconds, progress = time.perf_counter() - started, books.progress
        ended = manifest.ended(seconds, status, planned=progress.total, finished=progress.done)
        ended.write(books.folder.manifest)


def _workers(campaign: Campaign, engine: Engine, jobs: int, root: Path, gpu: int | None) -> Callable[[], Workers]:
    """What starts the workers; a device that is not there is refused now. Audited apps have processes of their own."""
    devices = devices_of(campaign)
    if engine == "ray":
        if gpu is not None:
            raise ConfigError("--device: on Ray it is the cluster that picks each job's GPU; name none, as in cuda")
        dealt(devices - {"cuda"})  # of GPUs it is the cluster that knows
        return lambda: RayWorkers.started(jobs, root, devices)
    gpus = dealt(devices, gpu)
    return lambda: InThisProcess(gpus) if jobs == 1 and not apps_of(campaign) else Pool(jobs, gpus)


def _analysis(books: Bookkeeping) -> Analysis:
    """Of the rows as the files have them, so that whoever reads the run later sees the same."""
    folder, progress = books.folder, books.progress
    return Analysis(
        campaign=books.campaign.reported,
        rows=tuple(read_results(folder.results)),
        federations=tuple(read_federations(folder.federations)),
        unfinished=max(0, progress.total - progress.done),
    )


def _hold_to_bounds(books: Bookkeeping, analysis: Analysis) -> None:
    """A result that beats what is proved to be possible is a bug of ours, whatever else went well."""
    held: tuple[Bound | SingletonBound, ...] = (*analysis.bounds, *analysis.singleton_bounds)
    for bound in held:
        try:
            bound.require()
        except BoundError as error:
            books.log.broke(bound.where, error)


def _finished(books: Bookkeeping, analysis: Analysis) -> FinishedRun:
    return FinishedRun(
        folder=books.folder,
        campaign=analysis.campaign,
        rows=analysis.rows,
        federations=analysis.federations,
        manifest=read_manifest(books.folder.manifest),
    )


def _draw(books: Bookkeeping, analysis: Analysis) -> None:
    """Pictures for people. The results are there: a picture that cannot be drawn is a problem, not the run's end."""
    from fedleak.figures.gallery import draw_gallery  # these load what only they need
    from fedleak.report.page import write_report

    folder, events = books.folder, books.progress.events
    try:
        events.drawing("gallery")
        draw_gallery(folder, analysis.campaign)
        events.drawing("report")
        with listening(events.judging):
            write_report(_finished(books, analysis), analysis, folder.report)
    except BUGS as error:
        if isinstance(error, OutputError):
            raise
        books.log.broke("the pictures could not be drawn", error)
