"""Says that something heavy is being loaded, before it is; to people only, and without loading anything for it."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer


def say_loading() -> None:
    """PyTorch and Flower take seconds to import."""
    if sys.stderr.isatty():
        typer.echo("loading PyTorch and Flower", err=True)


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
