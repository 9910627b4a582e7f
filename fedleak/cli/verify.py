"""`fedleak verify`: do the recorded updates follow from the true batches?"""

from pathlib import Path
from typing import Annotated

import typer

from fedleak.cli.options import say_loading


def verify(run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]) -> None:
    """Recompute each recorded update from the truth; exit status 1 where one disagrees."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    say_loading()
    from fedleak import progress
    from fedleak.cli.console import progress_bar
    from fedleak.verification.verify import disagreeing
    from fedleak.verification.verify import verify as check

    with progress_bar() as bar:
        task = bar.add_task("recomputing updates", total=None, count="")

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, count=f"{done}/{total}")

        with progress.listening(tell):
            checks = check(run)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("defense", "message", "verdict", "error", "remark"):
        table.add_column(heading)
    for one in checks:
        error = f"{one.comparison.error:.0e}" if one.comparison else ""
        style = "bold red" if one.verdict == "disagrees" else ""
        table.add_row(Text(one.defense), one.message, Text(one.verdict, style=style), error, Text(one.remark))
    Console(highlight=False).print(table)
    wrong = len(list(disagreeing(checks)))
    undecided = sum(one.verdict == "undecided" for one in checks)
    agreeing = len(checks) - wrong - undecided
    typer.echo(f"{agreeing} of {len(checks)} messages agree with the truth or are masked")
    if undecided:
        typer.echo(f"{undecided} could not be decided")
    if wrong:
        raise typer.Exit(1)
