"""The results as tables that fit a terminal: defense by attack, each figure with the prior's beside it."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from fedleak.results import AGGREGATE, Row

NAMES = 24
"""Width of the column with the attacks."""
CELL = 17
"""Width of a figure with its prior, at most."""
NOTE = "mean over clients (prior: a guess made without the update); ↑ higher, ↓ lower means more leakage"
UNTESTED = "these attackers do not adapt to a defense: where one leaves little, read untested, not safe"


def results_tables(rows: Sequence[Row], width: int = 80) -> list[Table]:
    """One table, or several where the metrics do not fit side by side."""
    metrics = list(dict.fromkeys(row.metric for row in rows))
    fitting = max(1, (width - NAMES) // CELL)
    return [_table(rows, metrics[i : i + fitting]) for i in range(0, len(metrics), fitting)]


def missing_figures(rows: Iterable[Row]) -> list[str]:
    """What has no figure and why, counted."""
    missing = [row for row in rows if math.isnan(row.value)]
    return _counted(missing, "figures that do not apply or failed")


def partial_figures(rows: Iterable[Row]) -> list[str]:
    """What has a figure over a part of its samples only, counted."""
    partial = [row for row in rows if row.reason and not math.isnan(row.value)]
    return _counted(partial, "figures over a part of the samples")


def _counted(rows: list[Row], what: str) -> list[str]:
    counts = Counter((row.attack, row.reason or "no reason given") for row in rows)
    lines = [f"  {count:>4}  {attack}: {reason}" for (attack, reason), count in counts.items()]
    return [f"{len(rows)} {what}:", *lines] if rows else []


def _table(rows: Sequence[Row], metrics: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("defense, attack", max_width=NAMES)
    for metric in metrics:
        table.add_column(_heading(next(row for row in rows if row.metric == metric)), justify="right", no_wrap=True)
    for defense in dict.fromkeys(row.defense for row in rows):
        own = [row for row in rows if row.defense == defense]
        table.add_row(Text(defense, style="bold"))
        for attack in dict.fromkeys(row.attack for row in own):
            for on_the_sum in (False, True):
                chosen = [r for r in own if r.attack == attack and (r.client == AGGREGATE) is on_the_sum]
                if chosen:
                    name = f"  {attack}" + ("\n    on the sum" if on_the_sum else "")
                    table.add_row(Text(name), *(_cell([r for r in chosen if r.metric == m]) for m in metrics))
    return table


def _heading(row: Row) -> str:
    arrow = "↑" if row.higher_is_better else "↓"
    unit = f" {row.unit}" if len(row.unit) <= 4 and row.unit else ""
    return f"{row.metric}{unit} {arrow}\n(prior)"


def _cell(rows: list[Row]) -> Text:
    scored = [row for row in rows if not math.isnan(row.value)]
    if not scored:
        return Text("-", style="dim")
    value, baseline = _mean(row.value for row in scored), _mean(row.baseline for row in scored)
    return Text.assemble(_figure(value), (f" ({_figure(baseline)})", "dim"))


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _figure(value: float) -> str:
    if math.isnan(value):
        return "-"
    size = abs(value)
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.01 or size == 0 else f"{value:.0e}"
