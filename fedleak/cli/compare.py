"""`fedleak compare`: defenses against attackers who know them and such as do not."""

from pathlib import Path
from typing import Annotated

import typer

from fedleak.cli.loading import say_loading
from fedleak.cli.run import EngineName, Jobs, Out, Overwrite


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
    from fedleak.cli.comparing import execute_comparison
    from fedleak.cli.running import tell_plan
    from fedleak.experiment.comparison import compared
    from fedleak.experiment.experiment import read_tree
    from fedleak.experiment.grid import parse_campaign

    campaign = parse_campaign(compared(read_tree(experiment, tuple(settings or ())), seeds))
    if plan:
        tell_plan(campaign)
    else:
        execute_comparison(campaign, out, jobs=jobs, engine=engine, overwrite=overwrite)
