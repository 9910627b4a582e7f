"""Runs an experiment: a federation for each defense, then every attack on every message, each a cell of its own."""

import time
from dataclasses import dataclass
from pathlib import Path

from fedleak.campaign.events import Events
from fedleak.campaign.execution import Execution
from fedleak.campaign.federating import Engine
from fedleak.campaign.folder import RunFolder
from fedleak.campaign.workers import workers
from fedleak.experiment import Experiment
from fedleak.manifest import manifest_of
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
    experiment: Experiment,
    out: Path,
    *,
    jobs: int = 1,
    engine: Engine = "loopback",
    overwrite: bool = False,
    events: Events | None = None,
) -> Outcome:
    """Runs an experiment into the folder `out`, or goes on with the same one that was started there before.

    Raises `OutputError` where `out` holds something else or cannot be written, and the federation's own error where
    no federation of the experiment came to anything. Whatever ends it, what was finished stays in `results.jsonl`.
    """
    folder = RunFolder(out)
    resumed = folder.claim(experiment, overwrite=overwrite)
    manifest = manifest_of(experiment, engine=engine, jobs=jobs, resumed=resumed)
    manifest.write(folder.manifest)
    started = time.perf_counter()
    with one_thread():
        execution = Execution(experiment, folder, engine, events or Events())
        execution.execute(workers(jobs))
    outcome = Outcome(
        folder=folder,
        rows=tuple(execution.ledger.rows()),
        problems=tuple(execution.problems),
        exit_status=max(execution.problems.values(), default=0),
    )
    manifest.ended(time.perf_counter() - started, outcome.exit_status).write(folder.manifest)
    return outcome
