"""Comparison table: a table for each condition, a line for each defense."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from fedleak.accounting.guarantee import DELTA, Proven
from fedleak.analysis.defenses import DefenseResult, by_condition
from fedleak.analysis.judgement import guessing
from fedleak.analysis.operating_point import Figure, OperatingPoint
from fedleak.cli.results_table import interval_facts
from fedleak.experiment.comparison import PLAIN
from fedleak.formatting import figure
from fedleak.settings.server import HONEST, ROW
from fedleak.statistics.quantiles import tail
from fedleak.statistics.summary import Summary

NOTE = (
    "plain, adaptive: what the strongest attacker got who takes no notice of the defense, and who knows it, with 95% "
    "intervals; gain: adaptive over its own plain form on the same messages, each with the options that tuning seeds "
    "chose for it; tail: what 95 of 100 samples leak at most to the strongest of all, and below it the one that leaked "
    "most; guess: without any access"
)
COSTS_NOTE = (
    "accuracy: the mean of the evaluations since it no longer rose, and below it the last round; with an arrow, after "
    "a round where it may still rise; "
    "kB: a client's answer as Flower sends it, and coded as its "
    "defense would; s, MB: time and memory of a client's training and defenses; epsilon: of the whole run at delta "
    "1e-5, with any other example or client in the place of one (replace-one), or with one that is there or is not "
    "(add-or-remove); whether secret sampling earned credit; and below it of the recorded rounds alone; success: "
    "examples that the strongest attacker rebuilt, of the most that the proof allows"
)
UNTESTED, REFUSED = "untested", "refused"
REFUSALS = "refused: clients refused all that the server sent, so nothing was left to attack, and nobody trained"


def comparison_tables(found: Sequence[DefenseResult], width: int) -> list[Table]:
    """Two tables for each condition, in the order of the results: what leaked, and what it costs."""
    groups = by_condition(found)
    titled = [(condition.words if len(groups) > 1 else "", own) for condition, own in groups.items()]
    return [table for title, own in titled for table in (_table(title, own, width), _costs(own, width))]


def remarks_on(found: Sequence[DefenseResult]) -> list[str]:
    """For each condition: what a trivial classifier does, and where leak and accuracy come from; what refusals are."""
    remarks: dict[str, list[str]] = {}
    for one in found:
        if one.operating_point.rounds:
            trivial = f"always naming the commonest class would be {100 * one.trivial.mean:.1f}% accurate"
            where = replace(one.operating_point, rounds=(), rising=0).sentence
            remarks.setdefault(f"{one.condition.words}: {trivial}; {where}", []).append(one.defense)
    said = list(remarks) if len(remarks) < 2 else [f"{words} ({', '.join(own)})" for words, own in remarks.items()]
    return [*([REFUSALS] if any(one.refused for one in found) else []), *said]


def comparison_facts(results: Sequence[DefenseResult]) -> list[dict[str, Any]]:
    """The same as plain data, a defense under a condition each."""
    return [
        {
            "condition": result.condition.words,
            "server": dict(result.condition.setting).get(ROW, HONEST),
            "defense": result.defense,
            "metric": result.strongest.group.metric if result.strongest else None,
            "unit": result.strongest.unit if result.strongest else None,
            "attack": result.strongest.group.attack if result.strongest else None,
            **_leak_facts("plain", result.plain),
            **_leak_facts("adaptive", result.adaptive),
            "tested": result.tested,
            "refused": result.refused,
            "control": result.knowing.reference.attack if result.knowing else None,
            "gain": result.knowing.difference if result.knowing and result.defended else None,
            "p95": tail_of(result.strongest) if result.strongest else None,
            "worst": result.strongest.worst_case if result.strongest else None,
            "guess": guessing(result.strongest) if result.strongest else None,
            **interval_facts("accuracy", result.accuracy.mean, result.accuracy.interval),
            "trivial_accuracy": result.trivial.mean,
            "one_operating_point": result.operating_point.one,
            "operating_point": result.operating_point.sentence,
            "sent_bytes": result.sent.mean,
            "encoded_bytes": result.encoded.mean,
            "seconds": result.seconds.mean,
            "memory_bytes": result.memory.mean,
            "delta": DELTA,
            "epsilon_whole_run": result.whole.epsilon(DELTA) if isinstance(result.whole, Proven) else None,
            "epsilon_terms": _terms(result),
            "epsilon_recorded": result.guarantee.epsilon(DELTA) if isinstance(result.guarantee, Proven) else None,
            "epsilon_measured": result.audited.measured if result.audited else None,
            "epsilon_measured_least": result.audited.least if result.audited else None,
            "epsilon_verdict": result.audited.verdict if result.audited else None,
            "success": result.bound.measured if result.bound else None,
            "success_bound": result.bound.bound_at_most if result.bound else None,
        }
        for result in results
    ]


def _leak_facts(name: str, summary: Summary | None) -> dict[str, Any]:
    if summary is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return interval_facts(name, summary.mean, summary.interval)


def _table(title: str, results: Sequence[DefenseResult], width: int) -> Table:
    first = next((result.strongest for result in results if result.strongest is not None), None)
    heading = "plain" if first is None else f"{first.group.metric} {'↑' if first.higher_is_better else '↓'}\nplain"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title=title or None, title_justify="left")
    table.add_column("defense,\nbest attacker", min_width=min(20, width // 4))
    for name in (heading, "\nadaptive", "\ngain", "\ntail", "\nguess"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        table.add_row(
            Text.assemble(
                (result.defense, "bold"),
                ("" if result.strongest is None else f"\n  {result.strongest.group.attack}", "dim"),
                ("" if result.knowing is None else f"\n  over {_control(result.knowing.reference.attack)}", "dim"),
            ),
            _leak(result.plain),
            _adaptive(result),
            _gain(result),
            _tail(result.strongest),
            "-" if result.strongest is None else figure(guessing(result.strongest)),
        )
    return table


def _costs(results: Sequence[DefenseResult], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))  # 80 columns are enough
    table.add_column("defense", min_width=min(20, width // 4))
    for name in ("accuracy", "kB", "coded", "s", "MB", "epsilon", "success"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        table.add_row(
            Text(result.defense, style="bold"),
            _accuracy(result.accuracy, result.operating_point),
            figure(result.sent.mean / 1000),
            figure(result.encoded.mean / 1000),
            figure(result.seconds.mean),
            figure(result.memory.mean / 1e6),
            _epsilon(result),
            "-" if result.bound is None else f"{result.bound.measured:.0%}\nof {result.bound.bound_at_most:.0%}",
        )
    return table


def _adaptive(result: DefenseResult) -> Text:
    if result.refused:
        return Text(REFUSED, style="bold green")
    return _leak(result.adaptive) if result.tested else Text(UNTESTED, style="bold yellow")


def _leak(summary: Summary | None) -> Text:
    if summary is None or math.isnan(summary.mean):
        return Text("-", style="dim")
    text = Text(figure(summary.mean))
    if not math.isnan(summary.interval.low):
        text.append(f"\n[{figure(summary.interval.low)}, {figure(summary.interval.high)}]", "dim")
    return text


def _control(label: str) -> str:
    """`plain total_variation=0.3`: of the control's label what its attack's does not say."""
    return f"{PLAIN}{label.rpartition(PLAIN)[2]}"


def tail_of(summary: Summary) -> float:
    """What 95 of 100 samples leak at most."""
    return tail(summary.samples, higher_is_better=summary.higher_is_better)


def _tail(summary: Summary | None) -> Text:
    if summary is None or not summary.samples:
        return Text("-", style="dim")
    return Text.assemble(figure(tail_of(summary)), (f"\n{figure(summary.worst_case)}", "dim"))


def _gain(result: DefenseResult) -> Text:
    if result.knowing is None or not result.defended or math.isnan(result.knowing.difference):
        return Text("-", style="dim")
    text = Text(_signed(result.knowing.difference))
    low, high = result.knowing.interval.low, result.knowing.interval.high
    if not math.isnan(low):
        text.append(f"\n[{_signed(low)}, {_signed(high)}]", "dim")
    return text


def _epsilon(one: DefenseResult) -> Text:
    text = _proven(one)
    if one.audited is not None and not math.isnan(one.audited.measured):
        text.append(f"\n{figure(one.audited.measured)} seen", "dim")
        text.append(f"\n{one.audited.verdict}", "bold red" if one.audited.verdict == "broken" else "dim")
    return text


def _proven(one: DefenseResult) -> Text:
    if not isinstance(one.guarantee, Proven):
        return Text("-", style="dim")
    shown = one.whole if isinstance(one.whole, Proven) else one.guarantee
    text = Text(figure(one.whole.epsilon(DELTA)) if isinstance(one.whole, Proven) else "none")
    relation = shown.relation.removesuffix(f" {shown.protects}")
    text.append(f" {shown.protects}\n{relation}\n{'sampled' if shown.sampled(DELTA) else 'no sampling'}", "dim")
    if one.whole != one.guarantee:
        text.append(f"\n{figure(one.guarantee.epsilon(DELTA))}", "dim")
    return text


def _terms(one: DefenseResult) -> str | None:
    """`replace-one example, no sampling credit`."""
    shown = one.whole if isinstance(one.whole, Proven) else one.guarantee
    return shown.terms(DELTA) if isinstance(shown, Proven) else None


def _signed(value: float) -> str:
    return ("-" if value < 0 else "+") + figure(abs(value))


def _accuracy(accuracy: Figure, measured: OperatingPoint) -> Text:
    if math.isnan(accuracy.mean):
        return Text("-", style="dim")
    text = Text(f"{100 * accuracy.mean:.1f}%")
    if not math.isnan(accuracy.interval.low):
        text.append(f"\n[{100 * accuracy.interval.low:.0f}, {100 * accuracy.interval.high:.0f}]", "dim")
    if measured.rounds:
        first, last = min(measured.rounds), max(measured.rounds)
        text.append(f"\n{first if first == last else f'{first}-{last}'}{'↑' if measured.rising else ''}", "dim")
    return text
