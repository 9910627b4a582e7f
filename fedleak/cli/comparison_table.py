"""Comparison table: a table for each condition, a line for each defense."""

import math
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from fedleak.accounting.guarantee import Guarantee
from fedleak.analysis.defenses import DefenseResult, Figure, by_condition
from fedleak.analysis.judgement import guessing
from fedleak.cli.results_table import interval_facts
from fedleak.formatting import figure
from fedleak.statistics.summary import Summary

NOTE = (
    "plain, adaptive: what the strongest attacker got who takes no notice of the defense, and who knows it, with 95% "
    "intervals; gain: adaptive over its own plain form, on the same messages; guess: without any update"
)
COSTS_NOTE = (
    "accuracy: after the last round that was evaluated; kB: a client's answer as Flower sends it, and coded as its "
    "defense would; s, MB: time and memory of a client's training and defenses; epsilon: of the whole run at delta "
    "1e-5, and below it of the recorded rounds alone; success: images that the strongest attacker rebuilt, of the most "
    "that the proof allows"
)
UNTESTED = "untested"
DELTA = 1e-5
"""Where epsilon is read off what a chain proves."""


def comparison_tables(found: Sequence[DefenseResult], width: int) -> list[Table]:
    """Two tables for each condition, in the order of the results: what leaked, and what it costs."""
    groups = by_condition(found)
    titled = [(condition.words if len(groups) > 1 else "", own) for condition, own in groups.items()]
    return [table for title, own in titled for table in (_table(title, own, width), _costs(own, width))]


def comparison_facts(found: Sequence[DefenseResult]) -> list[dict[str, Any]]:
    """The same as plain data, a defense under a condition each."""
    return [
        {
            "condition": one.condition.words,
            "defense": one.defense,
            "metric": one.strongest.group.metric if one.strongest else None,
            "unit": one.strongest.unit if one.strongest else None,
            "attack": one.strongest.group.attack if one.strongest else None,
            **_leak_facts("plain", one.plain),
            **_leak_facts("adaptive", one.adaptive),
            "tested": one.tested,
            "gain": one.knowing.difference if one.knowing and one.defended else None,
            "guess": guessing(one.strongest) if one.strongest else None,
            **interval_facts("accuracy", one.accuracy.mean, one.accuracy.interval),
            "sent_bytes": one.sent.mean,
            "encoded_bytes": one.encoded.mean,
            "seconds": one.seconds.mean,
            "memory_bytes": one.memory.mean,
            "delta": DELTA,
            "epsilon_whole_run": one.whole.epsilon(DELTA) if isinstance(one.whole, Guarantee) else None,
            "epsilon_recorded": one.guarantee.epsilon(DELTA) if isinstance(one.guarantee, Guarantee) else None,
            "success": one.bound.measured if one.bound else None,
            "success_bound": one.bound.bound_at_most if one.bound else None,
        }
        for one in found
    ]


def _leak_facts(name: str, summary: Summary | None) -> dict[str, Any]:
    if summary is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return interval_facts(name, summary.mean, summary.interval)


def _table(title: str, found: Sequence[DefenseResult], width: int) -> Table:
    first = next((one.strongest for one in found if one.strongest is not None), None)
    heading = "plain" if first is None else f"{first.group.metric} {'↑' if first.higher_is_better else '↓'}\nplain"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title or None, title_justify="left")
    table.add_column("defense,\nbest attacker", min_width=min(20, width // 4))
    for name in (heading, "\nadaptive", "\ngain", "\nguess"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            Text.assemble(
                (one.defense, "bold"), ("" if one.strongest is None else f"\n  {one.strongest.group.attack}", "dim")
            ),
            _leak(one.plain),
            _leak(one.adaptive) if one.tested else Text(UNTESTED, style="bold yellow"),
            _gain(one),
            "-" if one.strongest is None else figure(guessing(one.strongest)),
        )
    return table


def _costs(found: Sequence[DefenseResult], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))  # 80 columns are enough
    table.add_column("defense", min_width=min(20, width // 4))
    for name in ("accuracy", "kB", "coded", "s", "MB", "epsilon", "success"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            Text(one.defense, style="bold"),
            _accuracy(one.accuracy),
            figure(one.sent.mean / 1000),
            figure(one.encoded.mean / 1000),
            figure(one.seconds.mean),
            figure(one.memory.mean / 1e6),
            _epsilon(one),
            "-" if one.bound is None else f"{one.bound.measured:.0%}\nof {one.bound.bound_at_most:.0%}",
        )
    return table


def _leak(summary: Summary | None) -> Text:
    if summary is None or math.isnan(summary.mean):
        return Text("-", style="dim")
    text = Text(figure(summary.mean))
    if not math.isnan(summary.interval.low):
        text.append(f"\n[{figure(summary.interval.low)}, {figure(summary.interval.high)}]", "dim")
    return text


def _gain(one: DefenseResult) -> Text:
    if one.knowing is None or not one.defended or math.isnan(one.knowing.difference):
        return Text("-", style="dim")
    text = Text(_signed(one.knowing.difference))
    low, high = one.knowing.interval.low, one.knowing.interval.high
    if not math.isnan(low):
        text.append(f"\n[{_signed(low)}, {_signed(high)}]", "dim")
    return text


def _epsilon(one: DefenseResult) -> Text:
    if not isinstance(one.guarantee, Guarantee):
        return Text("-", style="dim")
    text = Text(figure(one.whole.epsilon(DELTA)) if isinstance(one.whole, Guarantee) else "none")
    if one.whole != one.guarantee:
        text.append(f"\n{figure(one.guarantee.epsilon(DELTA))}", "dim")
    return text


def _signed(value: float) -> str:
    return ("-" if value < 0 else "+") + figure(abs(value))


def _accuracy(accuracy: Figure) -> Text:
    if math.isnan(accuracy.mean):
        return Text("-", style="dim")
    text = Text(f"{100 * accuracy.mean:.1f}%")
    if not math.isnan(accuracy.interval.low):
        text.append(f"\n[{100 * accuracy.interval.low:.0f}, {100 * accuracy.interval.high:.0f}]", "dim")
    return text
