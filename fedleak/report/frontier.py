"""Privacy against accuracy: what the strongest attack got under each defense, and how good the model became."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from fedleak.analysis.evidence import Condition, condition_of, conditions_of
from fedleak.analysis.judgement import guessing, hits, more, portion, strongest
from fedleak.formatting import measured, number, percent
from fedleak.results.federation_row import FederationRow
from fedleak.statistics.summary import Summary

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
    says: str


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """One chart."""

    title: str
    metric: str
    higher_is_better: bool
    """Whether a higher figure is more leakage."""
    marks: tuple[Mark, ...]
    guessing: float | None


@dataclass(frozen=True, kw_only=True)
class Trade:
    """A defense with its accuracy and what the strongest attack got."""

    accuracy: float
    worst: Summary

    def beaten_by(self, other: "Trade") -> bool:
        """Whether `other` leaks no more, in the mean and in samples, is as accurate, and is better in one of them."""
        better = (
            more(self.worst, self.worst.mean, other.worst.mean),
            portion(self.worst) - portion(other.worst),
            other.accuracy - self.accuracy,
        )
        return min(better) >= 0 and max(better) > 0


def frontiers(summaries: Sequence[Summary], federations: Sequence[FederationRow]) -> list[Frontier]:
    """A chart for each condition where models were evaluated; `summaries` are all by one metric."""
    charts = []
    for condition in conditions_of(summaries):
        own = [s for s in summaries if condition_of(s.group) == condition and not math.isnan(s.mean)]
        accuracy = accuracies(condition, federations)
        trades = {name: trade for name in accuracy if (trade := _trade(name, own, accuracy)) is not None}
        if trades:
            charts.append(_chart(condition, trades))
    return charts[:CHARTS]


def accuracies(condition: Condition, federations: Iterable[FederationRow]) -> dict[str, float]:
    """The mean over seeds of the accuracy after the last evaluated round, by defense."""
    last: dict[tuple[str, int], FederationRow] = {}
    for row in federations:
        same = Condition(task=row.task, setting=tuple(sorted(row.setting.items()))) == condition
        if same and row.split == "test" and not math.isnan(row.accuracy):
            key = (row.defense, row.seed)
            last[key] = max(last.get(key, row), row, key=lambda one: one.round)
    names = dict.fromkeys(defense for defense, _ in last)
    return {name: fmean(row.accuracy for (defense, _), row in last.items() if defense == name) for name in names}


def _trade(name: str, summaries: Sequence[Summary], accuracy: Mapping[str, float]) -> Trade | None:
    worst = strongest([summary for summary in summaries if summary.group.defense == name])
    return None if worst is None else Trade(accuracy=accuracy[name], worst=worst)


def members(trades: Mapping[str, Trade]) -> set[str]:
    """The defenses that no other beats."""
    return {name for name, one in trades.items() if not any(one.beaten_by(other) for other in trades.values())}


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
            says=_says(name, trade),
        )
        for name, trade in trades.items()
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
