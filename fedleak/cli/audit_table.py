"""Audit table: facts, checks, attacks at each rung of the ladder, and a verdict in sentences."""

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from fedleak.audit.verdict import REPORT, RESULT, Facts, missing, sentences

DASH = "-"


def print_audit(facts: Facts, folder: Path) -> None:
    """Everything that was found, the verdict last."""
    console = Console(highlight=False)
    for update in facts["updates"][:1]:
        console.print(_facts_table(update))
    console.print(_checks_table(facts["updates"]))
    if facts["attacks"]:
        console.print(_attacks_table(facts["attacks"]))
    for line in sentences(facts):
        console.print(line)
    for name in sorted(path.name for path in folder.glob("client-*.png")):
        console.print(f"pictures     {folder / name}", soft_wrap=True)
    if (folder / "experiment.toml").exists():
        console.print(
            f"experiment   {folder / 'experiment.toml'}   (fedleak compare it, on its network and images)",
            soft_wrap=True,
        )
    if (folder / REPORT).exists():
        console.print(f"report       {folder / REPORT}", soft_wrap=True)
    console.print(f"facts        {folder / RESULT}", soft_wrap=True)


def _facts_table(update: Facts) -> Table:
    title = f"client {update['client']}, round {update['round']}: what was found"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("", "found", "how", "used by the attacker"):
        table.add_column(name, overflow="fold")
    for fact in update["facts"]:
        table.add_row(fact["what"], fact["found"], fact["how"], fact["used"])
    return table


def _checks_table(updates: Sequence[Facts]) -> Table:
    table = Table(title="whether it was understood", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("round", "client", "verdict"):
        table.add_column(name)
    for name in ("start apart", "replay apart"):
        table.add_column(name, justify="right")
    for one in updates:
        apart = (_number(one[key]) for key in ("started_apart", "replay_apart"))
        table.add_row(str(one["round"]), str(one["client"]), one["verdict"], *apart)
    return table


def _attacks_table(tried: Sequence[Facts]) -> Table:
    table = Table(title="what attacks make of it", title_justify="left", box=box.SIMPLE_HEAD)
    several = len({(one["client"], one["round"]) for one in tried}) > 1
    for name in (*(("round", "client") if several else ()), "ladder", "attack"):
        table.add_column(name, no_wrap=True)
    for name in ("PSNR", "best", "guessing", "come back", "labels"):
        table.add_column(name, justify="right")
    for one in _by_rung(tried):
        if not missing(one["psnr"]):
            back = f"{one['leaked']} of {one['examples']}"
            figures = (_number(one[key], 1) for key in ("psnr", "best", "prior"))
            whose = (str(one["round"]), str(one["client"])) if several else ()
            table.add_row(*whose, one["rung"], one["attack"], *figures, back, _number(one["labels"], 2))
    return table


def _by_rung(tried: Sequence[Facts]) -> list[Facts]:
    """Rungs of each update in their order, and at each the attacks that came nearest first."""
    rungs = list(dict.fromkeys((one["round"], one["client"], one["rung"]) for one in tried))
    place = {rung: number for number, rung in enumerate(rungs)}
    return sorted(
        tried,
        key=lambda one: (
            place[one["round"], one["client"], one["rung"]],
            -one["leaked"],
            math.inf if missing(one["psnr"]) else -one["psnr"],
        ),
    )


def _number(value: float | None, digits: int | None = None) -> str:
    if missing(value):
        return DASH
    return f"{value:.2g}" if digits is None else f"{value:.{digits}f}"
