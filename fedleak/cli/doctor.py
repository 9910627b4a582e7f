"""`fedleak doctor`: what this machine can run."""

from collections.abc import Sequence
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedleak.cli.options import AsJson, FormOption
from fedleak.cli.output import write_json
from fedleak.doctor.check import Check
from fedleak.doctor.examination import examine, healthy

STYLES = {"ok": "green", "note": "yellow", "missing": "bold red"}


def doctor_table(checks: Sequence[Check]) -> Table:
    """A line for each check below its topic, with the remedy under what was found."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("found; and what to do", overflow="fold")
    for topic in dict.fromkeys(check.topic for check in checks):
        table.add_row("", Text(topic, style="bold"), "")
        for check in checks:
            if check.topic == topic:
                table.add_row(Text(check.state, style=STYLES[check.state]), f"  {check.what}", _found(check))
    return table


def summary(checks: Sequence[Check]) -> str:
    """The verdict in one sentence."""
    missing = [check.what for check in checks if check.state == "missing"]
    if missing:
        return f"missing and needed: {', '.join(missing)}"
    return "all that fedleak needs is here; try `fedleak demo`"


def _found(check: Check) -> Text:
    return Text.assemble(check.found, *([(f"\n{check.remedy}", "dim")] if check.remedy else []))


def command(as_json: AsJson = False, form: FormOption = "table") -> None:
    """Check what this machine can run; exit status 1 where something needed is missing."""
    checks = examine(Path("runs"))
    if as_json or form == "json":
        write_json(checks)
    else:
        console = Console(highlight=False)
        console.print(doctor_table(checks))
        console.print(summary(checks), markup=False)
    if not healthy(checks):
        raise typer.Exit(1)
