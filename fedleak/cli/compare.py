"""`fedleak compare`: defenses against attackers who know them and such as do not."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fedleak.analysis.defenses import Standing, standings
from fedleak.analysis.judgement import attackers, headline
from fedleak.campaign.workers import Engine
from fedleak.cli.comparison_table import COSTS_NOTE, NOTE, comparison_tables
from fedleak.cli.options import EngineName, Jobs, Out, Overwrite, say_loading
from fedleak.cli.run import folder_of, run_with_progress, show_rest
from fedleak.errors import ConfigError, did_you_mean
from fedleak.experiment.campaign import Campaign
from fedleak.runs.reading import FinishedRun, read_run
from fedleak.statistics.summary import summarise

# Runs a comparison and prints where each defense stands.


def execute_comparison(campaign: Campaign, out: Path | None, *, jobs: int, engine: Engine, overwrite: bool) -> None:
    """Runs, prints, and leaves with the exit status of the run."""
    outcome = run_with_progress(campaign, out or folder_of(campaign), jobs=jobs, engine=engine, overwrite=overwrite)
    console = Console(highlight=False)
    if outcome.rows:
        for table in comparison_tables(compared_in(read_run(outcome.folder.root), None), console.width):
            console.print(table)
        console.print(NOTE)
        console.print(COSTS_NOTE)
    show_rest(outcome, console, campaign)
    root = outcome.folder.root
    console.print(
        f"advice       fedleak advise {root} --max-leak LEAK --min-accuracy SHARE", markup=False, soft_wrap=True
    )
    raise typer.Exit(outcome.exit_status)


def compared_in(run: FinishedRun, metric: str | None) -> list[Standing]:
    """The standings of a run by one of its metrics; by its first one on images, or its first, where none is named."""
    summaries = summarise(run.rows)
    known = list(dict.fromkeys(one.group.metric for one in summaries))
    if metric is not None and metric not in known:
        raise ConfigError(f"--metric: this run has no figures of '{metric}'{did_you_mean(metric, known)}")
    return standings(run, metric or headline(attackers(summaries) or summaries, "inputs") or known[0])


def compare(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml", help="Attacks and defenses to compare.")],
    seeds: Annotated[
        int, typer.Option(min=1, help="How many, from the experiment's on; a list of seeds in it stands as it is.")
    ] = 5,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a value, as in federation.clients=8; repeatable."),
    ] = None,
    out: Out = None,
    jobs: Jobs = 1,
    engine: EngineName = "loopback",
    overwrite: Overwrite = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be run.")] = False,
) -> None:
    """Compare defenses: every attack knowing the defense and not, an attack that learns, several seeds, the costs."""
    say_loading()
    from fedleak.campaign.preload import warm_up

    warm_up(1 if plan or engine == "ray" else jobs)
    from fedleak.cli.run import tell_plan
    from fedleak.experiment.comparison import compared
    from fedleak.experiment.experiment import read_tree
    from fedleak.experiment.grid import parse_campaign

    campaign = parse_campaign(compared(read_tree(experiment, tuple(settings or ())), seeds))
    if plan:
        tell_plan(campaign)
    else:
        execute_comparison(campaign, out, jobs=jobs, engine=engine, overwrite=overwrite)
