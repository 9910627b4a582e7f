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

CHARTS = 6
"""Conditions that are drawn."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A defense in the chart."""

    name: str
    accuracy: float
    leakage: float
    """The mean of what the strongest attack got."""
    low: float
    high: float
    """Ends of the interval."""
    member: bool
    """Whether no other defense is at least as good in both."""
    description: str


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """One chart."""

    title: str
    metric: str
    higher_is_better: bool
    """Whether a higher figure is more leakage."""
    marks: tuple[Mark, ...]
    guessing: float | None


def frontiers(results: Sequence[DefenseResult]) -> list[Frontier]:
    """A chart for each condition where models were evaluated; the results are all by one metric."""
    trades = {condition: trades_of(own) for condition, own in by_condition(results).items()}
    return [_chart(condition, own) for condition, own in trades.items() if own][:CHARTS]


def _chart(condition: Condition, trades: Mapping[str, Trade]) -> Frontier:
    worst = [trade.worst for trade in trades.values()]
    guesses = [guessing(summary) for summary in worst if not math.isnan(guessing(summary))]
    return Frontier(
        title=condition.words,
        metric=worst[0].group.metric + (f", {worst[0].unit}" if worst[0].unit else ""),
        higher_is_better=worst[0].higher_is_better,
        marks=tuple(_marks(trades)),
        guessing=fmean(guesses) if guesses else None,
    )


def _marks(trades: Mapping[str, Trade]) -> list[Mark]:
    best = members(trades)
    return [
        Mark(
            name=name,
            accuracy=trade.accuracy,
            leakage=trade.worst.mean,
            low=_or(trade.worst.interval.low, trade.worst.mean),
            high=_or(trade.worst.interval.high, trade.worst.mean),
            member=name in best,
            description=_description(name, trade),
        )
        for name, trade in trades.items()
    ]


def _or(value: float, other: float) -> float:
    return other if math.isnan(value) else value


def _description(name: str, trade: Trade) -> str:
    worst = trade.worst
    figure = f"{worst.group.metric} {measured(worst.mean, worst.unit)} by {worst.group.attack}"
    low, high = worst.interval.low, worst.interval.high
    spread_words = "" if math.isnan(low) else f" (95%: {number(low)} to {number(high)})"
    tail = f", 95 of 100 samples at {'most' if worst.higher_is_better else 'least'} {number(trade.tail)}"
    leaked = f", {hits(worst)} of {len(worst.samples)} leaked"
    return f"{name}: accuracy {percent(trade.accuracy)}, {figure}{spread_words}{tail}{leaked}"
