"""JSON output: the one way in which commands write plain data; all else that they say goes to stderr."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import typer


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
