"""Charts of the privacy-accuracy frontier: what the strongest attack got, and how good the model became."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from fedleak.analysis.conditions import Condition
from fedleak.analysis.defenses import DefenseResult, by_condition
from fedleak.analysis.frontier import Trade, members, trades_of
from fedleak.analysis.judgement import guessing, hits
from fedleak.formatting import measured, number, percent
from fedleak.report.chart import Axis, Label, Tick, axis_over, spread

LEFT, RIGHT, TOP, BOTTOM = 48.0, 250.0, 14.0, 206.0
GAP = 15.0
CHARTS = 6
"""Conditions that are drawn."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A defense in the chart."""

    label: Label
    low: float
    high: float
    """Ends of the interval."""
    member: bool
    """Whether no other defense is at least as good in both."""
    says: str


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """One chart."""

    title: str
    metric: str
    marks: tuple[Mark, ...]
    guessing: float | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def frontiers(results: Sequence[DefenseResult]) -> list[Frontier]:
    """A chart for each condition where models were evaluated; the results are all by one metric."""
    trades = {condition: trades_of(own) for condition, own in by_condition(results).items()}
    return [_chart(condition, own) for condition, own in trades.items() if own][:CHARTS]


def _chart(condition: Condition, trades: Mapping[str, Trade]) -> Frontier:
    worst = [trade.worst for trade in trades.values()]
    guesses = [guessing(summary) for summary in worst if not math.isnan(guessing(summary))]
    values = [v for s in worst for v in (s.mean, s.interval.low, s.interval.high, guessing(s))]
    x = axis_over([trade.accuracy for trade in trades.values()], LEFT, RIGHT, margin=0.15)
    ends = (BOTTOM, TOP) if worst[0].higher_is_better else (TOP, BOTTOM)
    y = axis_over(values, *ends)
    assert x is not None
    assert y is not None
    return Frontier(
        title=condition.words,
        metric=worst[0].group.metric + (f", {worst[0].unit}" if worst[0].unit else ""),
        marks=tuple(_marks(trades, x, y)),
        guessing=y.at(fmean(guesses)) if guesses else None,
        x_ticks=tuple(x.ticks(3)),
        y_ticks=tuple(y.ticks()),
    )


def _marks(trades: Mapping[str, Trade], x: Axis, y: Axis) -> list[Mark]:
    places = spread([y.at(trade.worst.mean) for trade in trades.values()], GAP, TOP, BOTTOM)
    best = members(trades)
    return [
        Mark(
            label=Label(text=name, series=i, x=x.at(trade.accuracy), y=y.at(trade.worst.mean), label_y=places[i]),
            low=y.at(_or(trade.worst.interval.low, trade.worst.mean)),
            high=y.at(_or(trade.worst.interval.high, trade.worst.mean)),
            member=name in best,
            says=_says(name, trade),
        )
        for i, (name, trade) in enumerate(trades.items())
    ]


def _or(value: float, other: float) -> float:
    return other if math.isnan(value) else value


def _says(name: str, trade: Trade) -> str:
    worst = trade.worst
    figure = f"{worst.group.metric} {measured(worst.mean, worst.unit)} by {worst.group.attack}"
    low, high = worst.interval.low, worst.interval.high
    spread_words = "" if math.isnan(low) else f" (95%: {number(low)} to {number(high)})"
    leaked = f", {hits(worst)} of {len(worst.samples)} leaked"
    return f"{name}: accuracy {percent(trade.accuracy)}, {figure}{spread_words}{leaked}"
