"""`fedleak run`: an experiment from a file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fedleak.cli.loading import say_loading

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work; the results are the same.")]
EngineName = Annotated[
    Literal["loopback", "simulation", "ray"],
    typer.Option(
        help="What runs it: processes of this machine; the same with federations in Flower's own simulation; "
        "or tasks on Ray (RAY_ADDRESS names a cluster)."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for everything; runs/... by default.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that --out holds.")]


def run(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.toml", help="The experiment.")],
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
    """Run an experiment, or a grid of them: federations, attacks, scores, pictures, a report."""
    say_loading()
    from fedleak.campaign.preload import warm_up

    warm_up(1 if plan or engine == "ray" else jobs)
    from fedleak.cli.running import execute, tell_plan
    from fedleak.experiment.grid import load_campaign

    campaign = load_campaign(experiment, tuple(settings or ()))
    if plan:
        tell_plan(campaign)
    else:
        execute(campaign, out, jobs=jobs, engine=engine, overwrite=overwrite)
