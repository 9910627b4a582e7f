"""Privacy-accuracy frontier: the defenses that no other beats in what the strongest attack got and in accuracy."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.judgement import more, portion
from fedleak.statistics.summary import Summary


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


def trades_of(results: Iterable[DefenseResult]) -> dict[str, Trade]:
    """By name the defenses of one condition that can be compared: those with a figure and an accuracy."""
    return {
        one.defense: Trade(accuracy=one.accuracy.mean, worst=one.strongest)
        for one in results
        if one.strongest is not None and not math.isnan(one.accuracy.mean)
    }


def members(trades: Mapping[str, Trade]) -> set[str]:
    """The defenses that no other beats."""
    return {name for name, one in trades.items() if not any(one.beaten_by(other) for other in trades.values())}
