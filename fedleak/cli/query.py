"""`fedleak query`: SQL over the results of a run."""

import csv
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedleak.cli.options import SHOWN, Format, RunPath
from fedleak.formatting import escaped, printable
from fedleak.results.database import MOST_COUNTED, Answer, Database, Described, Stream
from fedleak.results.schema import finite_or_null
from fedleak.runs.query import EXAMPLES, open_run

WIDEST = 60
"""Width of a column of a table, at most."""
BETWEEN = 3
"""What a table puts between two columns."""
COLUMNS = ("table", "column", "type", "meaning")
"""Of what can be asked."""


def write(database: Database, sql: str, form: Format, limit: int | None) -> None:
    """The answer on stdout; in a form for pipes what was left out is said on stderr."""
    if form in STREAMS:
        STREAMS[form](database.stream(sql, limit))
        more = database.more()
    else:
        answer = database.ask(sql, limit)
        WHOLE[form](answer)
        more = answer.more
    if more:
        least = "at least " if more >= MOST_COUNTED else ""
        typer.echo(f"… {least}{_counted(more, 'more row')}", err=form != "table")


def explain(database: Database, run: Path, form: Format) -> None:
    """What can be asked; people also get three questions to begin with."""
    described = database.describe()
    if form == "table":
        console = Console(highlight=False)
        console.print(_columns_table(described))
        for example in EXAMPLES:
            console.print(f'fedleak query {shlex.quote(str(run))} "{example}"\n', markup=False, soft_wrap=True)
        return
    rows = [(one.table, one.name, one.type, one.meaning) for one in described]
    if form in STREAMS:
        STREAMS[form](Stream(columns=COLUMNS, batches=iter([rows])))
    else:
        WHOLE[form](Answer(columns=COLUMNS, rows=tuple(rows), more=0))


def _columns_table(described: Sequence[Described]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("column", no_wrap=True)
    table.add_column("type", no_wrap=True)
    table.add_column("meaning")
    for name in dict.fromkeys(column.table for column in described):
        table.add_row(Text(name, style="bold"))
        for column in described:
            if column.table == name:
                table.add_row(*map(Text, map(printable, (f"  {column.name}", column.type.lower(), column.meaning))))
    return table


def _table(answer: Answer) -> None:
    console = Console(highlight=False)
    texts = [[printable(_shown(value)) for value in column] for column in zip(*answer.rows, strict=True)]
    texts = texts or [[] for _ in answer.columns]
    names = [printable(name) for name in answer.columns]
    fitting = _fitting(names, texts, console.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, name in enumerate(names[:fitting]):
        numbers = any(isinstance(row[i], int | float | Decimal) for row in answer.rows)
        table.add_column(Text(name), justify="right" if numbers else "left", no_wrap=True, max_width=WIDEST)
    for row in zip(*texts[:fitting], strict=True):
        table.add_row(*(Text(text) for text in row))
    console.print(table)
    left = names[fitting:]
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


def _csv(stream: Stream) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(stream.columns)
    for batch in stream.batches:
        writer.writerows([_field(value) for value in row] for row in batch)


def _json(stream: Stream) -> None:
    before = "[\n"
    for row in chain.from_iterable(stream.batches):
        facts = dict(zip(stream.columns, map(_plain, row), strict=True))
        sys.stdout.write(f"{before}{json.dumps(facts, ensure_ascii=False)}")
        before = ",\n"
    sys.stdout.write("[]\n" if before == "[\n" else "\n]\n")


def _markdown(answer: Answer) -> None:
    typer.echo(_line([escaped(name) for name in answer.columns]))
    typer.echo(_line(["---"] * len(answer.columns)))
    for row in answer.rows:
        typer.echo(_line([escaped(_shown(value)) for value in row]))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


STREAMS: dict[Format, Callable[[Stream], None]] = {"csv": _csv, "json": _json}
"""For pipes: however many rows there are, a batch of them is held."""


WHOLE: dict[Format, Callable[[Answer], None]] = {"table": _table, "markdown": _markdown}


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


def command(
    run: RunPath,
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SQL", help="The query, - for standard input; without one the columns are listed."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the answer is written.")] = "table",
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Rows to show; {SHOWN} in a table by default, else all.")
    ] = None,
) -> None:
    """Ask the results of a run in SQL (DuckDB). The run cannot be changed by it."""
    database = open_run(run)
    if sql is None:
        explain(database, run, form)
        return
    text = sys.stdin.read() if sql == "-" else sql
    write(database, text, form, SHOWN if limit is None and form == "table" else limit)
