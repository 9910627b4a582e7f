"""Runs an experiment with progress on the screen, then prints what leaked and where everything lies."""

import re
from pathlib import Path

import typer
from rich.console import Console

from fedleak.analysis.untested import not_adapted_to
from fedleak.campaign.plan import counts_of
from fedleak.campaign.workers import Engine
from fedleak.cli.console import ConsoleEvents
from fedleak.cli.remarks import remarks
from fedleak.cli.table import NOTE, UNTESTED, missing_figures, partial_figures, results_tables
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.canonical import address_of
from fedleak.experiment.naming import ATTACKERS_SETTINGS
from fedleak.formatting import listed
from fedleak.run import Outcome
from fedleak.run import run as run_campaign
from fedleak.runs.folder import RunFolder

PLAN_LINES = 20
"""Settings that `--plan` lists."""


def execute(campaign: Campaign, out: Path | None, *, jobs: int, engine: Engine, overwrite: bool) -> None:
    """Runs, prints, and leaves with the exit status of the run."""
    outcome = run_with_progress(campaign, out or folder_of(campaign), jobs=jobs, engine=engine, overwrite=overwrite)
    show(outcome, Console(highlight=False))
    raise typer.Exit(outcome.exit_status)


def run_with_progress(campaign: Campaign, out: Path, *, jobs: int, engine: Engine, overwrite: bool) -> Outcome:
    """Runs with progress on the screen and prints nothing else."""
    with ConsoleEvents() as events:
        return run_campaign(campaign, out, jobs=jobs, engine=engine, overwrite=overwrite, events=events)


def tell_plan(campaign: Campaign) -> None:
    """What a run would do, counted; nothing is computed."""
    federations, cells = counts_of(campaign)
    tuning = sum(point.split == "tuning" for point in campaign.points)
    typer.echo(f"{campaign.name}: {len(campaign.points)} settings, {federations} federations, {cells} cells")
    if tuning:
        typer.echo(f"{tuning} of the settings only tune the attacks")
    for point in campaign.points[:PLAN_LINES]:
        typer.echo(f"  {' '.join(filter(None, [_told(point), tuned_on(point)]))}")
    if len(campaign.points) > PLAN_LINES:
        typer.echo(f"  and {len(campaign.points) - PLAN_LINES} more")


def _told(point: Point) -> str:
    """A setting by its federation's name, and what of it the federation does not know."""
    held = [f"{key.rpartition('.')[2]}={point.setting[key]}" for key in ATTACKERS_SETTINGS if key in point.setting]
    federation = point.federation or point.experiment.task
    return " ".join([federation, *(one for one in held if one not in federation)])


def tuned_on(point: Point) -> str:
    """Marks a setting that only tunes."""
    return "(tuning)" if point.split == "tuning" else ""


def show(outcome: Outcome, console: Console) -> None:
    """The tables, and the rest."""
    for table in results_tables(outcome.analysis.summaries, console.width):
        console.print(table)
    if outcome.rows:
        console.print(NOTE)
    unaware = not_adapted_to(outcome.analysis.campaign)
    if outcome.rows and unaware:
        console.print(UNTESTED.format(listed(unaware)), markup=False)
    show_rest(outcome, console)


def show_rest(outcome: Outcome, console: Console) -> None:
    """What the tables do not show, what has no figure and why, what went wrong, and the files."""
    judged = [row for row in outcome.rows if row.metric not in outcome.analysis.idle_metrics]
    for line in (*remarks(outcome.analysis), *missing_figures(judged), *partial_figures(judged)):
        console.print(line, markup=False)
    if outcome.problems:
        where = f"; tracebacks in {outcome.folder.errors}" if outcome.folder.errors.exists() else ""
        console.print(f"{len(outcome.problems)} problems{where}:", markup=False)
        for problem in outcome.problems:
            console.print(f"  {problem}", markup=False)
    for what, path, hint in _files(outcome.folder):
        if path.exists():
            console.print(f"{what:<12} {path}{hint}", markup=False, soft_wrap=True)


def _files(folder: RunFolder) -> list[tuple[str, Path, str]]:
    """What a run may leave, each with what to do with it; without attacks there is no more than recordings."""
    return [
        ("report", folder.report, ""),
        ("gallery", folder.gallery, ""),
        ("results", folder.results, f"   (fedleak query {folder.root})"),
        ("manifest", folder.manifest, ""),
        ("recordings", folder.root / "recordings", "   (fedleak attack RECORDING --use NAME)"),
        ("truth", folder.root / "vault", f"   (fedleak verify {folder.root})"),
        ("tensorboard", folder.tensorboard, f"   (tensorboard --logdir {folder.tensorboard})"),
    ]


def folder_of(campaign: Campaign) -> Path:
    """`runs/NAME-ADDRESS`: other settings, other folder."""
    words = re.sub(r"[^a-z0-9]+", "-", campaign.name.lower()).strip("-")[:40] or "run"
    return Path("runs") / f"{words}-{address_of(campaign.tree)[:8]}"
