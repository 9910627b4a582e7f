"""Runs a comparison and prints where each defense stands."""

from pathlib import Path

import typer
from rich.console import Console

from fedleak.analysis.analysis import Analysis
from fedleak.analysis.defenses import DefenseResult
from fedleak.campaign.workers import Engine
from fedleak.cli.comparison_table import COSTS_NOTE, NOTE, comparison_tables
from fedleak.cli.running import folder_of, run_with_progress, show_rest
from fedleak.errors import ConfigError, did_you_mean
from fedleak.experiment.campaign import Campaign


def execute_comparison(campaign: Campaign, out: Path | None, *, jobs: int, engine: Engine, overwrite: bool) -> None:
    """Runs, prints, and leaves with the exit status of the run."""
    outcome = run_with_progress(campaign, out or folder_of(campaign), jobs=jobs, engine=engine, overwrite=overwrite)
    console = Console(highlight=False)
    if outcome.rows:
        for table in comparison_tables(compared_in(outcome.analysis, None), console.width):
            console.print(table)
        console.print(NOTE)
        console.print(COSTS_NOTE)
    show_rest(outcome, console)
    root = outcome.folder.root
    console.print(
        f"advice       fedleak advise {root} --max-leak LEAK --min-accuracy SHARE", markup=False, soft_wrap=True
    )
    raise typer.Exit(outcome.exit_status)


def compared_in(analysis: Analysis, metric: str | None) -> tuple[DefenseResult, ...]:
    """The defenses of a run by one of its metrics; by its first one on images, or its first, where none is named."""
    known = analysis.metrics
    if metric is not None and metric not in known:
        raise ConfigError(f"--metric: this run has no figures of '{metric}'{did_you_mean(metric, known)}")
    return analysis.defenses(metric or analysis.main_metric or known[0])
