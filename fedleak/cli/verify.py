"""`fedleak verify`: do the recorded updates follow from the true batches?"""

from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fedleak.cli.options import FormOption, RunPath, write_json
from fedleak.cli.progress_bar import shown
from fedleak.formatting import counted
from fedleak.verification.verify import Check, breakdowns, disagreeing, verify


def command(run: RunPath, form: FormOption = "table") -> None:
    """Recompute each recorded update from the truth; exit status 1 where one disagrees or a federation broke down."""
    with shown("recomputing updates"):
        checks = verify(run)
    if form == "json":
        write_json([facts_of(one) for one in checks])
    else:
        print_checks(checks)
    broken = breakdowns(run)
    for sentence in broken:
        typer.echo(sentence, err=True)
    if broken or any(disagreeing(checks)):
        raise typer.Exit(1)


def facts_of(check: Check) -> dict[str, Any]:
    """One message as plain data; the error is null where there was nothing to compare."""
    return {
        "defense": check.defense,
        "message": check.message,
        "verdict": check.verdict,
        "error": check.comparison.error if check.comparison else None,
        "remark": check.remark,
    }


def print_checks(checks: list[Check]) -> None:
    """The table, and how many agree."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("defense", "message", "verdict", "error", "remark"):
        table.add_column(heading)
    for check in checks:
        error = f"{check.comparison.error:.0e}" if check.comparison else ""
        style = "bold red" if check.verdict == "disagrees" else ""
        table.add_row(Text(check.defense), check.message, Text(check.verdict, style=style), error, Text(check.remark))
    Console(highlight=False).print(table)
    released = sum(check.verdict == "released" for check in checks)
    checks = [check for check in checks if check.verdict != "released"]
    wrong = len(list(disagreeing(checks)))
    undecided = sum(check.verdict == "undecided" for check in checks)
    if checks or not released:
        typer.echo(f"{len(checks) - wrong - undecided} of {len(checks)} messages agree with the truth or are masked")
    if released:
        typer.echo(f"{counted(released, 'model')} released: nothing recomputes one")
    if undecided:
        typer.echo(f"{undecided} could not be decided")
