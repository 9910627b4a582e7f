"""Advice on servers as a table, defense by server, with what is recommended in words; and as plain data."""

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fedleak.analysis.server_advice import Cell, ServerAdvice, Standing, Trial, Verdict
from fedleak.formatting import counted, figure, listed

STYLES: dict[Verdict, str] = {"held": "bold green", "refused": "green", "not shown": "yellow", "broken": "bold red"}
NOTE = (
    "held: with 97.5% confidence no larger a share of the samples is past the limit than may be; below each verdict "
    "the samples past it, and the most that the share may be; refused: clients refused all that the server sent, so "
    "nothing was left to attack, and nobody trained"
)


def print_server_advice(advised: Sequence[ServerAdvice], trial: Trial) -> None:
    """The table of each setting, its defenses in words, and what was not tried."""
    console = Console(highlight=False)
    for advice in advised:
        console.print(f"[bold]{escape(advice.place.words)}[/bold]: defenses against servers")
        console.print(_table(advice))
        for line in _lines(advice, trial):
            console.print(line)
    console.print(NOTE)
    console.print("\n[bold]what was not tried[/bold]")
    for gap in trial.sent.untested:
        console.print(f"  {escape(gap.title)}: {escape(gap.words)}")


def server_advice_facts(advised: Sequence[ServerAdvice], trial: Trial) -> dict[str, Any]:
    """The same as plain data."""
    limits = trial.limits
    return {
        "metric": trial.metric,
        "max_leak": limits.max_leak,
        "max_share": limits.max_share,
        "min_accuracy": limits.min_accuracy,
        "allowed": sorted(limits.allowed),
        "cells": [
            {"condition": advice.place.words, "defense": one.defense, **_cell_facts(cell)}
            for advice in advised
            for one in advice.standings
            for cell in one.cells
        ],
        "defenses": [
            {
                "condition": advice.place.words,
                "defense": one.defense,
                "recommended": one.recommended,
                "holds_against": one.servers("held", "refused"),
                "by_refusing": one.servers("refused"),
                "broken_by": one.servers("broken"),
                "not_shown_against": one.servers("not shown"),
                "accuracy": one.accuracy,
                "inaccurate": one.inaccurate,
            }
            for advice in advised
            for one in advice.standings
        ],
        "not_tried": [{"title": gap.title, "words": gap.words} for gap in trial.sent.untested],
    }


def _cell_facts(cell: Cell) -> dict[str, Any]:
    found = cell.exposure
    return {
        "server": cell.server,
        "verdict": cell.verdict,
        "reason": cell.reason,
        "samples": len(found.past) if found else 0,
        "seeds": found.distinct_seeds if found else 0,
        "past": found.count if found else 0,
        "share": found.share if found else None,
        "share_at_most": found.at_most if found else None,
        "left_open": sum(found.open) if found else 0,
        "rounds": cell.rounds,
        "rounds_lost": cell.lost,
        "messages_refused": cell.unsent,
    }


def _table(advice: ServerAdvice) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("defense", overflow="fold")
    for server in advice.servers:
        table.add_column(Text(server), overflow="fold")
    for one in advice.standings:
        table.add_row(Text(one.defense, style="bold"), *map(_shown, one.cells))
    return table


def _shown(cell: Cell) -> Text:
    found = cell.exposure
    shares = [] if found is None or not found.past else [f"{found.count} of {len(found.past)}, ≤ {found.at_most:.1%}"]
    lost = [f"{cell.lost} of {counted(cell.rounds, 'round')} lost"] if cell.lost else []
    lost += [f"{counted(cell.unsent, 'message')} refused"] if cell.unsent and not lost else []
    return Text.assemble((cell.verdict, STYLES[cell.verdict]), ("".join(f"\n{one}" for one in (*shares, *lost)), "dim"))


def _lines(advice: ServerAdvice, trial: Trial) -> Iterator[str]:
    limits = trial.limits
    silent = _silent(advice)
    for server, reason in silent.items():
        yield f"  not shown against {escape(server)}, under any defense: {escape(reason)}"
    for one in advice.standings:
        if words := _sorted_out(one, silent):
            yield f"  [bold]{escape(one.defense)}[/]: {escape(words)}"
    against = f"against {'all of ' * (len(advice.servers) > 1)}{listed(advice.servers)}"
    wanted = f"no more than {limits.max_share:.2g} of the samples past {trial.metric} {figure(limits.max_leak)}"
    if limits.min_accuracy:
        wanted += f", accuracy at least {limits.min_accuracy:.1%} under the honest server"
    named = advice.recommended
    if not named:
        yield f"no defense holds {against} ({wanted}), as far as these messages show"
        return
    yield f"{counted(len(named), 'defense')} hold{'s' * (len(named) == 1)} {against} ({wanted}):"
    yield from (f"  [bold green]{escape(one.defense)}[/]{escape(_price(one))}" for one in named)


def _silent(advice: ServerAdvice) -> dict[str, str]:
    """Servers that no defense was tried against, each with the reason where all of several have the same."""
    cells = [cell for one in advice.standings for cell in one.cells]
    own = {server: [cell for cell in cells if cell.server == server] for server in advice.servers}
    return {
        server: found[0].reason
        for server, found in own.items()
        if len(found) > 1 and len({(one.verdict, one.reason, one.unsent) for one in found}) == 1
        and found[0].verdict == "not shown" and not found[0].unsent
    }  # fmt: skip


def _sorted_out(one: Standing, silent: Collection[str]) -> str:
    """Against whom it holds, whom it does not, and why; but for servers of which that is said of all defenses."""
    held = one.servers("held")
    parts = [f"surely holds against {listed(held)}"] if held else []
    for cell in (cell for cell in one.cells if cell.server not in silent):
        if cell.verdict == "refused":
            parts.append(f"nothing for {cell.server} as nobody trained: {_refusals(cell)} ({cell.reason})")
        elif cell.verdict != "held":
            how = "broken by" if cell.verdict == "broken" else "not shown against"
            parts.append("; ".join(filter(None, [f"{how} {cell.server}: {cell.reason}", _refusals(cell)])))
    return "; ".join(filter(None, [*parts, one.inaccurate]))


def _price(one: Standing) -> str:
    """`: accuracy 81.2% under the honest server; nothing for imprint as nobody trained: 2 of 2 rounds lost, ...`."""
    trained = [] if math.isnan(one.accuracy) else [f"accuracy {one.accuracy:.1%} under the honest server"]
    refused = [f"nothing for {cell.server} as nobody trained: {_refusals(cell)}" for cell in one.cells if cell.unsent]
    return f": {'; '.join([*trained, *refused])}" if trained or refused else ""


def _refusals(cell: Cell) -> str:
    """`2 of 2 rounds lost, as clients refused what it sent`; where others trained on, how many messages are missing."""
    if cell.lost:
        return f"{cell.lost} of {counted(cell.rounds, 'round')} lost, as clients refused what it sent"
    return f"clients refused to send {counted(cell.unsent, 'message')}" if cell.unsent else ""
