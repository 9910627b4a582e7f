"""What a verdict is drawn from: the summaries, the paired tests, and which defense does anything at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedleak.report.conditions import conditions_of, eligible, headline, strongest
from fedleak.statistics.comparison import Comparison
from fedleak.statistics.group import Sender
from fedleak.statistics.summary import Summary

KINDS = ("inputs", "labels")
"""What a metric may judge; images first."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a verdict is drawn from."""

    summaries: Sequence[Summary]
    comparisons: Sequence[Comparison]
    defended: Mapping[str, bool]
    """Each defense by name, and whether there is anything in its chain."""

    def of(self, kind: str) -> list[Summary]:
        """The summaries by the metric that stands for `inputs` or `labels`."""
        metric = headline(self.summaries, kind)
        return [summary for summary in eligible(self.summaries) if summary.group.metric == metric]

    def worst(self, kind: str) -> dict[tuple[str, Sender], Summary]:
        """The strongest attack's figure on each defense's messages, single ones and sums apart."""
        found: dict[tuple[str, Sender], list[Summary]] = {}
        for summary in self.of(kind):
            found.setdefault((summary.group.defense, summary.group.sender), []).append(summary)
        return {place: one for place, own in found.items() if (one := strongest(own)) is not None}

    @property
    def kinds(self) -> list[str]:
        """The kinds that anything was measured of."""
        return [kind for kind in KINDS if headline(self.summaries, kind) is not None]

    @property
    def bare(self) -> str | None:
        """The first defense that does nothing."""
        return next((name for name, defended in self.defended.items() if not defended), None)

    @property
    def settings(self) -> int:
        """How many conditions were tried."""
        return len(conditions_of(self.summaries))
