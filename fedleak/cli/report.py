"""`fedleak report`: one page for people."""

from pathlib import Path
from typing import Annotated

import typer

from fedleak.analysis.analysis import Analysis
from fedleak.audit.verdict import REPORT, RESULT, Audited
from fedleak.cli.options import RunPath
from fedleak.cli.progress_bar import shown
from fedleak.report.audit_page import write_audit_report
from fedleak.report.page import write_report
from fedleak.runs.reading import read_run


def command(
    run: RunPath,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page; RUN/report.html by default.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Write a page that shows what leaked: one HTML file that needs nothing else, and no network."""
    if (run / RESULT).exists():
        path = write_audit_report(Audited.read(run), out or run / REPORT)
    else:
        finished = read_run(run)
        with shown("judging queries"):
            path = write_report(finished, Analysis.of(finished), out or finished.folder.report)
    typer.echo(f"report    {path}")
    if show:
        typer.launch(path.resolve().as_uri())
