"""Runs an experiment with progress on the screen, then prints what leaked and where everything lies."""

import re
from pathlib import Path

import typer
from rich.console import Console

from fedleak.campaign.address import address_of, experiment_facts
from fedleak.campaign.federating import Engine
from fedleak.campaign.folder import RunFolder
from fedleak.cli.console import ConsoleEvents
from fedleak.cli.table import NOTE, UNTESTED, missing_figures, partial_figures, results_tables
from fedleak.experiment import Experiment
from fedleak.run import Outcome
from fedleak.run import run as run_experiment


def execute(experiment: Experiment, out: Path | None, *, jobs: int, engine: Engine, overwrite: bool) -> None:
    """Runs, prints, and leaves with the exit status of the run."""
    folder = out or Path("runs") / _folder_name(experiment)
    with ConsoleEvents() as events:
        outcome = run_experiment(experiment, folder, jobs=jobs, engine=engine, overwrite=overwrite, events=events)
    show(outcome, Console(highlight=False), defended=any(row.chain for row in experiment.defenses))
    raise typer.Exit(outcome.exit_status)


def show(outcome: Outcome, console: Console, *, defended: bool) -> None:
    """The tables, what has no figure and why, what went wrong, and the files."""
    for table in results_tables(outcome.rows, console.width):
        console.print(table)
    if outcome.rows:
        console.print(NOTE)
    if outcome.rows and defended:
        console.print(UNTESTED)
    for line in (*missing_figures(outcome.rows), *partial_figures(outcome.rows)):
        console.print(line, markup=False)
    if outcome.problems:
        where = f"; tracebacks in {outcome.folder.errors}" if outcome.folder.errors.exists() else ""
        console.print(f"{len(outcome.problems)} problems{where}:", markup=False)
        for problem in outcome.problems:
            console.print(f"  {problem}", markup=False)
    for what, path in _files(outcome.folder):
        console.print(f"{what:<12} {path}", markup=False, soft_wrap=True)


def _files(folder: RunFolder) -> list[tuple[str, str]]:
    return [
        ("gallery", str(folder.gallery)),
        ("results", str(folder.results)),
        ("manifest", str(folder.manifest)),
        ("recordings", f"{folder.root / 'recordings'}   (fedleak attack RECORDING --use NAME)"),
        ("truth", f"{folder.root / 'vault'}   (fedleak verify {folder.root})"),
        ("tensorboard", f"tensorboard --logdir {folder.tensorboard}"),
    ]


def _folder_name(experiment: Experiment) -> str:
    """The experiment's name with its content address: other settings, other folder."""
    words = re.sub(r"[^a-z0-9]+", "-", experiment.name.lower()).strip("-")[:40] or "run"
    return f"{words}-{address_of(experiment_facts(experiment))[:8]}"
