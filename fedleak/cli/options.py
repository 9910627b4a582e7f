"""Command options: what several commands share, and plain JSON on stdout; imports nothing heavy.

The parameters of every command are read in the names of this file alone: see `fedleak.cli.app`.
"""

import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any, Literal

import typer

CORES = min(os.cpu_count() or 1, 8)
"""A process for each core, up to what the demo's few cells can use."""
DEMO_FOLDER = Path("runs/demo")
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work; the results are the same.")]
EngineName = Annotated[
    Literal["loopback", "simulation", "ray"],
    typer.Option(
        help="What runs it: processes of this machine; the same with federations in Flower's own simulation; "
        "or tasks on Ray (RAY_ADDRESS names a cluster)."
    ),
]
DeviceName = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="Where clients train and attacks compute: cpu, cuda (GPUs in turn), cuda:NUMBER, mps or auto.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for everything; runs/... by default.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that --out holds.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a value, as in federation.clients=8; repeatable."),
]
Plan = Annotated[bool, typer.Option("--plan", help="Only say what would be run.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Form = Literal["table", "json"]
FormOption = Annotated[Form, typer.Option("--format", "-f", help="A table for people, or JSON, alone on stdout.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Format = Literal["table", "csv", "json", "markdown"]
"""How the answer to a query is written."""
SHOWN = 50
"""Rows of a table that one still reads."""
Kind = Literal["attacks", "defenses", "tasks", "metrics", "tamperings", "manipulations"]
"""What can be listed."""


def say_loading() -> None:
    """PyTorch and Flower take seconds to import; people, and nobody else, are told before it begins."""
    if sys.stderr.isatty():
        typer.echo("loading PyTorch and Flower", err=True)


def on_device(name: str | None) -> tuple[tuple[str, ...], int | None]:
    """What `--device` overrides in an experiment, and which GPU of several it names."""
    if name is None:
        return (), None
    kind, index = resolve_name("fedleak.learning.device:asked")(name)
    return (f'device="{kind}"',), index


def _say_example(wanted: bool) -> bool:
    if wanted:
        typer.echo((files("fedleak") / "presets" / "demo-policy.toml").read_text(), nl=False)
        raise typer.Exit
    return wanted


ExamplePolicy = Annotated[
    bool, typer.Option("--example", help="Print the policy of the demo.", callback=_say_example, is_eager=True)
]


def _attacks(incomplete: str) -> list[str]:
    return _named(incomplete, "attack")


AttackName = Annotated[
    str,
    typer.Option("--use", metavar="NAME", help="The attack; see `fedleak list attacks`.", autocompletion=_attacks),
]


def _plugins(incomplete: str) -> list[str]:
    return _named(incomplete, "attack", "defense", "metric")


PluginName = Annotated[str, typer.Argument(help="An attack, defense or metric.", autocompletion=_plugins)]


def write_json(facts: Any) -> None:
    """Facts on stdout, alone; a figure that is not finite is null."""
    typer.echo(json.dumps(plain(facts), indent=1))


def plain(value: Any) -> Any:
    """What JSON can hold: dataclasses and mappings as objects, sequences as lists, and paths as text."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _named(incomplete: str, *kinds: str) -> list[str]:
    """Names for the shell to complete; only there is the catalogue needed, and what it imports."""
    return [
        name for name in resolve_name("fedleak.contracts.catalogue:names_of")(*kinds) if name.startswith(incomplete)
    ]
