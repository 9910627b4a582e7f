"""Writes the answer to a query: a table for people, CSV, JSON and Markdown for pipes."""

import csv
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedleak.cli.query import Format
from fedleak.database import Answer, Database
from fedleak.query import EXAMPLES
from fedleak.results import finite_or_null

WIDEST = 60
"""Width of a column of a table, at most."""
BETWEEN = 3
"""What a table puts between two columns."""


def write(answer: Answer, form: Format) -> None:
    """The answer on stdout; in a form for pipes what was left out is said on stderr."""
    WRITERS[form](answer)
    if answer.more:
        typer.echo(f"… {_counted(answer.more, 'more row')}", err=form != "table")


def explain(database: Database, run: Path) -> None:
    """What can be asked, and three questions to begin with."""
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("column", no_wrap=True)
    table.add_column("type", no_wrap=True)
    table.add_column("meaning")
    described = database.describe()
    for name in dict.fromkeys(column.table for column in described):
        table.add_row(Text(name, style="bold"))
        for column in described:
            if column.table == name:
                table.add_row(Text(f"  {column.name}"), Text(column.type.lower()), Text(column.meaning))
    console.print(table)
    for example in EXAMPLES:
        console.print(f'fedleak query {shlex.quote(str(run))} "{example}"\n', markup=False, soft_wrap=True)


def _table(answer: Answer) -> None:
    console = Console(highlight=False)
    texts = [[_shown(value) for value in column] for column in zip(*answer.rows, strict=True)]
    texts = texts or [[] for _ in answer.columns]
    fitting = _fitting(answer.columns, texts, console.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(answer.columns[:fitting]):
        numbers = any(isinstance(row[i], int | float | Decimal) for row in answer.rows)
        table.add_column(Text(name), justify="right" if numbers else "left", no_wrap=True, max_width=WIDEST)
    for row in zip(*texts[:fitting], strict=True):
        table.add_row(*(Text(text) for text in row))
    console.print(table)
    left = answer.columns[fitting:]
    if left:
        console.print(f"… {_counted(len(left), 'more column')}: {', '.join(left)}", markup=False)


def _fitting(names: Sequence[str], texts: Sequence[Sequence[str]], width: int) -> int:
    """How many of the columns stand side by side, at least one."""
    left = width + BETWEEN
    for i, (name, column) in enumerate(zip(names, texts, strict=True)):
        longest = max(len(line) for text in (name, *column) for line in text.split("\n"))
        left -= min(longest, WIDEST) + BETWEEN
        if left < 0:
            return max(1, i)
    return len(names)


def _csv(answer: Answer) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows([_field(value) for value in row] for row in answer.rows)


def _json(answer: Answer) -> None:
    lines = [
        json.dumps(dict(zip(answer.columns, map(_plain, row), strict=True)), ensure_ascii=False) for row in answer.rows
    ]
    typer.echo("[\n" + ",\n".join(lines) + "\n]" if lines else "[]")


def _markdown(answer: Answer) -> None:
    typer.echo(_line(answer.columns))
    typer.echo(_line(["---"] * len(answer.columns)))
    for row in answer.rows:
        typer.echo(_line([_shown(value) for value in row]))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


WRITERS: dict[Format, Callable[[Answer], None]] = {"table": _table, "csv": _csv, "json": _json, "markdown": _markdown}


def _shown(value: Any) -> str:
    """A value for people: six digits, and - for what is not there."""
    value = _plain(value)
    if value is None:
        return "-"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _field(value: Any) -> Any:
    """A value for CSV: nothing for null; a list as JSON."""
    value = _plain(value)
    return json.dumps(value) if isinstance(value, list | dict | bool) else value


def _plain(value: Any) -> Any:
    """A value as JSON has it: decimals as numbers, null for what is not finite, else what DuckDB has as text."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Decimal):
        return float(value)
    return finite_or_null(value) if isinstance(value, bool | int | float | str | None) else str(value)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
