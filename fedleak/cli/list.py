"""`fedleak list`: what there is to choose from."""

from typing import Annotated, Literal

import typer

Kind = Literal["attacks", "defenses", "tasks", "metrics"]


def list_plugins(kind: Annotated[Kind, typer.Argument(help="What to list.")]) -> None:
    """List attacks, defenses, tasks or metrics with their options and defaults."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(kind, no_wrap=True)
    table.add_column("what it does; options with their defaults")
    for name, summary, options in _tasks() if kind == "tasks" else _plugins(kind):
        table.add_row(name, Text(f"{summary}\n{options}" if options else summary))
    Console(highlight=False).print(table)


def _plugins(kind: str) -> list[tuple[str, str, str]]:
    from fedleak.contracts.attack import attacks
    from fedleak.contracts.defense import defenses
    from fedleak.contracts.metric import metrics
    from fedleak.contracts.plugin import Plugin, Registry

    registries: dict[str, Registry[Plugin]] = {"attacks": attacks, "defenses": defenses, "metrics": metrics}  # type: ignore[dict-item]
    return [(cls.name, _first_line(cls.__doc__), _options(cls)) for cls in registries[kind]]


def _tasks() -> list[tuple[str, str, str]]:
    from fedleak.tasks import CATALOGUE, parse_name

    known = [(name, parse_name(name)) for name in CATALOGUE]
    rows = [(name, source.summary, f"{source.classes} classes, {model}") for name, (source, model) in known]
    return [*rows, ("image-folder:PATH", "a folder of your own images, one subfolder a class", "")]


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _options(cls: type) -> str:
    from dataclasses import MISSING, fields

    from fedleak.contracts.plugin import plain

    words = []
    for field in fields(cls):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        words.append(f"{field.name} (needed)" if default is MISSING else f"{field.name}={plain(default)}")
    return ", ".join(words)
