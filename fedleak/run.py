"""Runs of a campaign: federations for each setting and defense, then every attack on every message, each a cell."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedleak.analysis.bounds import bounds_of
from fedleak.campaign.bookkeeping import Bookkeeping
from fedleak.campaign.cell_job import BUGS
from fedleak.campaign.events import Events
from fedleak.campaign.execution import execution_of
from fedleak.campaign.pool import Pool
from fedleak.campaign.ray_workers import RayWorkers
from fedleak.campaign.workers import Engine, InThisProcess, Workers
from fedleak.errors import BoundError, FedleakError, OutputError
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import Experiment
from fedleak.experiment.grid import campaign_of
from fedleak.randomness import one_thread
from fedleak.results.row import Row
from fedleak.runs.folder import RunFolder
from fedleak.runs.manifest import Manifest, manifest_of
from fedleak.runs.ownership import claim, locked
from fedleak.runs.reading import read_run


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
        execution = execution_of(campaign, folder, engine, watching)
        books = execution.books
        manifest = manifest_of(campaign, engine=engine, jobs=jobs, resumed=resumed, cells=books.progress.total)
        manifest.write(folder.manifest)
        with _ending(books, manifest), one_thread():
            execution.execute(lambda: _workers(engine, jobs))
            rows = tuple(books.ledger.rows())
            _hold_to_bounds(books, rows)
        if rows:
            _draw(books)
    errors = books.log.errors
    return Outcome(folder=folder, rows=rows, problems=tuple(errors), exit_status=errors.exit_status)


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


def _workers(engine: Engine, jobs: int) -> Workers:
    if engine == "ray":
        return RayWorkers.started(jobs)
    return InThisProcess() if jobs == 1 else Pool(jobs)


def _hold_to_bounds(books: Bookkeeping, rows: tuple[Row, ...]) -> None:
    """A result that beats what is proved to be possible is a bug of ours, whatever else went well."""
    for bound in bounds_of(rows, books.campaign):
        try:
            bound.check.require()
        except BoundError as error:
            books.log.broke(bound.where, error)


def _draw(books: Bookkeeping) -> None:
    """Pictures for people. The results are there: a picture that cannot be drawn is a problem, not the run's end."""
    from fedleak.figures.gallery import draw_gallery  # these load what only they need
    from fedleak.report.page import write_report

    folder, events = books.folder, books.progress.events
    try:
        events.drawing("gallery")
        draw_gallery(folder, books.campaign)
        events.drawing("report")
        write_report(read_run(folder.root), folder.report)
    except BUGS as error:
        if isinstance(error, OutputError):
            raise
        books.log.broke("the pictures could not be drawn", error)
