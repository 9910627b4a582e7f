"""Says that something heavy is being loaded, before it is; to people only, and without loading anything for it."""

import sys

import typer


def say_loading() -> None:
    """PyTorch and Flower take seconds to import."""
    if sys.stderr.isatty():
        typer.echo("loading PyTorch and Flower", err=True)
