"""`fedleak detect`: clients' checks on honest federations and on servers that cheat, and what these still recover."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fedleak.analysis.detection import detected, false_alarms, seconds_of
from fedleak.analysis.kept_rate import kept_rate
from fedleak.analysis.recovered import recovered
from fedleak.analysis.thresholds import require_enough
from fedleak.cli.detection_table import NOTE, detection_facts, detection_tables
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
from fedleak.experiment.detection import reporting
from fedleak.experiment.experiment import read_tree
from fedleak.experiment.grid import parse_campaign
from fedleak.experiment.placing import placed
from fedleak.formatting import opening
from fedleak.results.check_row import read_checks


def command(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml", help="Servers, and defenses with checks.")],
    rate: Annotated[
        float, typer.Option("--false-alarms", min=0.0001, max=0.5, help="Share of honest models above a threshold.")
    ] = 0.01,
    settings: Overrides = None,
    out: Out = None,
    jobs: Jobs = 1,
    engine: EngineName = "loopback",
    device: DeviceName = None,
    overwrite: Overwrite = False,
    plan: Plan = False,
    form: FormOption = "table",
) -> None:
    """Try clients' checks of the model: ROC of each on each server, false alarms, costs, and what servers recover."""
    override, gpu = on_device(device)
    tree = placed(read_tree(experiment, (*(settings or ()), *override)), experiment.parent.resolve())
    campaign = parse_campaign(reporting(tree))
    require_enough(campaign, rate)
    if plan:
        print_plan(campaign, form)
        return
    folder = out or folder_of(campaign)
    outcome = run_with_progress(campaign, folder, jobs=jobs, engine=engine, overwrite=overwrite, gpu=gpu)
    rows = read_checks(outcome.folder.checks)
    trial = detected(rows, rate), false_alarms(rows, rate), recovered(outcome.rows), seconds_of(rows)
    if form == "json":
        write_json({**detection_facts(*trial), **outcome_facts(outcome)})
    else:
        console = Console(highlight=False)
        for table in detection_tables(*trial):
            console.print(table)
        console.print(NOTE.format(rate=f"{100 * rate:g}%", seeds=min((one.seeds for one in trial[0]), default=0)))
        for sentence in kept_rate(trial[1], rate):
            console.print(opening(sentence), markup=False)
        show_rest(outcome, console)
    raise typer.Exit(outcome.exit_status)
