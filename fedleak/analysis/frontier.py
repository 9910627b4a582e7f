"""Privacy-accuracy frontier: the defenses that no other beats in accuracy and in the tail of what attackers got."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fedleak.analysis.defenses import DefenseResult
from fedleak.analysis.judgement import more, portion
from fedleak.statistics.quantiles import tail
from fedleak.statistics.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Trade:
    """A defense with its accuracy and what the strongest attack got."""

    accuracy: float
    worst: Summary
    share: float
    """Of the samples that leaked."""
    tail: float
    """What 95 of 100 samples leak at most; see `fedleak.statistics.quantiles.tail`."""

    @classmethod
    def of(cls, accuracy: float, worst: Summary) -> "Trade":
        """By the samples of the strongest attack."""
        end = tail(worst.samples, higher_is_better=worst.higher_is_better)
        return cls(accuracy=accuracy, worst=worst, share=portion(worst), tail=end)

    def beaten_by(self, other: "Trade") -> bool:
        """Whether `other` leaks no more samples, nor more in the tail, is as accurate, and is better in one of them."""
        better = (
            self.share - other.share,
            more(self.worst, self.tail, other.tail),
            other.accuracy - self.accuracy,
        )
        return min(better) >= 0 and max(better) > 0


def trades_of(results: Iterable[DefenseResult]) -> dict[str, Trade]:
    """By name the defenses of one condition that can be compared: those with a figure and an accuracy."""
    return {
        one.defense: Trade.of(one.accuracy.mean, one.strongest)
        for one in results
        if one.strongest is not None and not math.isnan(one.accuracy.mean)
    }


def members(trades: Mapping[str, Trade]) -> set[str]:
    """The defenses that no other beats."""
    return {name for name, one in trades.items() if not any(one.beaten_by(other) for other in trades.values())}
