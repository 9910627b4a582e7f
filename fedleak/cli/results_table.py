"""Results table: defense by attack in the width of a terminal, each figure with its interval and both baselines."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from fedleak.analysis.judgement import blind_guesses
from fedleak.formatting import figure, listed, setting_in_words
from fedleak.results.row import Row
from fedleak.results.schema import MODEL
from fedleak.statistics.intervals import Interval
from fedleak.statistics.summary import Summary

NAMES = 24
"""Width of the column with the attacks; of longer names more, up to half of what there is."""
CELL = 18
"""Width of a figure with its baselines, at most; a column with a longer name is wider."""
GAP = 2
"""Between two columns."""
SENDERS = {
    "aggregate": "on the sum",
    "model": "on the model",
    "active": "by the active party",
    "relay": "by the relay",
}
"""What was attacked, where it is no single update."""
UNTESTED = "no attacker here takes account of {}: where little is left, read untested, not safe"


def results_tables(summaries: Sequence[Summary], width: int = 80) -> list[Table]:
    """One table, or several where the metrics do not fit side by side."""
    headed = {one.group.metric: _heading(one) for one in reversed(summaries)}
    longest = max((len(word) + GAP for one in summaries for word in one.group.attack.split()), default=0)
    names = max(NAMES, min(longest, width // 2))
    beside: list[list[str]] = []
    room = 0
    for metric in dict.fromkeys(one.group.metric for one in summaries):
        wide = max(CELL, len(headed[metric].partition("\n")[0]) + GAP)
        if not beside or wide > room:
            beside.append([])
            room = width - names - GAP
        beside[-1].append(metric)
        room -= wide
    return [_table(summaries, metrics, names) for metrics in beside]


def note_on(summaries: Iterable[Summary]) -> str:
    """What the figures of the tables are."""
    summaries = tuple(summaries)
    senders = {one.group.sender for one in summaries}
    over = ["clients"] * bool(senders - {MODEL}) + ["models"] * (MODEL in senders)
    without = "the update" if senders - {MODEL} else "access"
    return (
        f"mean over {listed(over)} (prior: the best constant guess without {without}) no access: "
        f"{listed(blind_guesses(summaries), 'or')}; below it the 95% interval; ↑ higher, ↓ lower means more leakage"
    )


def results_facts(summaries: Iterable[Summary]) -> list[dict[str, Any]]:
    """The same figures as plain data, one by one."""
    return [
        {
            "task": one.group.task,
            "setting": dict(one.group.setting),
            "defense": one.group.defense,
            "attack": one.group.attack,
            "sender": one.group.sender,
            "metric": one.group.metric,
            "unit": one.unit,
            "higher_is_better": one.higher_is_better,
            **interval_facts("mean", one.mean, one.interval),
            "prior": one.prior,
            "no_access": one.no_access,
            "class_mean": one.class_mean,
            "single_color": one.single_color,
            "nearest_public": one.nearest_public,
            "threshold": one.threshold,
            "messages": one.messages,
            "seeds": one.seeds,
            "samples": len(one.samples),
            "leaked": one.leaked,
            "tuned": one.tuned,
        }
        for one in summaries
    ]


def interval_facts(name: str, value: float, interval: Interval) -> dict[str, float]:
    """A figure and the ends of its 95% interval."""
    return {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}


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


def _table(summaries: Sequence[Summary], metrics: list[str], names: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("defense, attack", max_width=names)
    for metric in metrics:
        first = next(one for one in summaries if one.group.metric == metric)
        table.add_column(_heading(first), justify="right", no_wrap=True)
    settings = dict.fromkeys((one.group.task, one.group.setting) for one in summaries)
    for task, setting in settings:
        if len(settings) > 1:
            table.add_row(Text(" ".join([task, setting_in_words(dict(setting))]), style="bold underline"))
        own = [one for one in summaries if (one.group.task, one.group.setting) == (task, setting)]
        _add_defenses(table, own, metrics)
    return table


def _add_defenses(table: Table, summaries: list[Summary], metrics: list[str]) -> None:
    for defense in dict.fromkeys(one.group.defense for one in summaries):
        table.add_row(Text(defense, style="bold"))
        own = [one for one in summaries if one.group.defense == defense]
        for attack, sender in dict.fromkeys((one.group.attack, one.group.sender) for one in own):
            line = {one.group.metric: one for one in own if (one.group.attack, one.group.sender) == (attack, sender)}
            remarks = [SENDERS[sender]] if sender in SENDERS else []
            remarks += ["tuned"] * any(one.tuned for one in line.values())
            name = f"  {attack}" + "".join(f"\n    {remark}" for remark in remarks)
            table.add_row(Text(name), *(_cell(line.get(metric)) for metric in metrics))


def _heading(first: Summary) -> str:
    arrow = "↑" if first.higher_is_better else "↓"
    unit = f" {first.unit}" if len(first.unit) <= 4 and first.unit else ""
    return f"{first.group.metric}{unit} {arrow}\n(prior)\nno access"


def _cell(summary: Summary | None) -> Text:
    if summary is None or math.isnan(summary.mean):
        return Text("-", style="dim")
    text = Text.assemble(
        figure(summary.mean), (f" ({figure(summary.prior)})", "dim"), (f" {figure(summary.no_access)}", "dim")
    )
    if not math.isnan(summary.interval.low):
        text.append(f"\n[{figure(summary.interval.low)}, {figure(summary.interval.high)}]", "dim")
    return text
