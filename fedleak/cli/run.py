"""`fedleak run`: an experiment from a file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that attack; the results are the same.")]
EngineName = Annotated[
    Literal["loopback", "ray"],
    typer.Option(help="What the federation runs on: this process, or Flower's simulation on Ray."),
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
) -> None:
    """Run an experiment: federations, attacks, scores, pictures."""
    from fedleak.cli.running import execute
    from fedleak.experiment import load_experiment

    execute(load_experiment(experiment, tuple(settings or ())), out, jobs=jobs, engine=engine, overwrite=overwrite)
