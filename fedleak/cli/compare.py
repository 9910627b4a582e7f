"""`fedleak compare`: defenses against attackers who know them and attackers who do not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fedleak.analysis.analysis import Analysis
from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.untested import cheating_servers
from fedleak.cli.comparison_table import COSTS_NOTE, NOTE, comparison_facts, comparison_tables, remarks_on
from fedleak.cli.options import (
    DeviceName,
    EngineName,
    FormOption,
    Jobs,
    Out,
    Overrides,
    Overwrite,
    Plan,
    on_device,
    write_json,
)
from fedleak.cli.run import folder_of, outcome_facts, print_plan, run_with_progress, show_rest
from fedleak.errors import ConfigError, did_you_mean
from fedleak.experiment.comparison import compared
from fedleak.experiment.experiment import read_tree
from fedleak.experiment.grid import parse_campaign
from fedleak.experiment.placing import placed
from fedleak.run import Outcome


def print_comparison(results: Sequence[DefenseResult], outcome: Outcome) -> None:
    """The tables, the rest, and how to go on."""
    console = Console(highlight=False)
    if results:
        for table in comparison_tables(results, console.width):
            console.print(table)
        console.print(NOTE)
        console.print(COSTS_NOTE)
        for remark in remarks_on(results):
            console.print(remark, markup=False)
    show_rest(outcome, console)
    root, cheats = outcome.folder.root, bool(cheating_servers(outcome.analysis.campaign))
    advice = f"fedleak advise {root} --max-leak LEAK --min-accuracy SHARE{' --servers' * cheats}"
    console.print(f"advice       {advice}", markup=False, soft_wrap=True)


def metric_in(analysis: Analysis, metric: str | None) -> str:
    """The metric that is named, else a run's first one on images, or its first; raises `ConfigError` without any."""
    known = analysis.metrics
    if metric is not None and metric not in known:
        raise ConfigError(f"--metric: this run has no figures of '{metric}'{did_you_mean(metric, known)}")
    found = metric or analysis.main_metric
    if found is None:
        raise ConfigError("this run has no figures to advise on: nothing was attacked; give its experiment [[attacks]]")
    return found


def compared_in(analysis: Analysis, metric: str | None) -> tuple[DefenseResult, ...]:
    """The defenses of a run by one of its metrics."""
    return analysis.defenses(metric_in(analysis, metric))


def command(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml", help="Attacks and defenses to compare.")],
    seeds: Annotated[
        int, typer.Option(min=1, help="How many, from the experiment's on; a list of seeds in it stands as it is.")
    ] = 10,
    settings: Overrides = None,
    out: Out = None,
    jobs: Jobs = 1,
    engine: EngineName = "loopback",
    device: DeviceName = None,
    overwrite: Overwrite = False,
    plan: Plan = False,
    form: FormOption = "table",
) -> None:
    """Compare defenses: every attack knowing the defense and not, an attack that learns, several seeds, the costs."""
    override, gpu = on_device(device)
    tree = placed(read_tree(experiment, (*(settings or ()), *override)), experiment.parent.resolve())
    campaign = parse_campaign(compared(tree, seeds))
    if plan:
        print_plan(campaign, form)
        return
    folder = out or folder_of(campaign)
    outcome = run_with_progress(campaign, folder, jobs=jobs, engine=engine, overwrite=overwrite, gpu=gpu)
    results = compared_in(outcome.analysis, None) if outcome.rows else ()
    if form == "json":
        write_json({"defenses": comparison_facts(results), **outcome_facts(outcome)})
    else:
        print_comparison(results, outcome)
    raise typer.Exit(outcome.exit_status)
