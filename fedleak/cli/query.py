"""`fedleak query`: SQL over the results of a run."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

Format = Literal["table", "csv", "json", "markdown"]
SHOWN = 50
"""Rows of a table that one still reads."""


def query(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
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
    from fedleak.cli.answer import explain, write
    from fedleak.runs.query import open_run

    database = open_run(run)
    if sql is None:
        explain(database, run)
        return
    text = sys.stdin.read() if sql == "-" else sql
    write(database, text, form, SHOWN if limit is None and form == "table" else limit)
