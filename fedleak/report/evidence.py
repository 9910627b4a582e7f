"""What a verdict is drawn from: the summaries, the paired tests, and where a defense does anything at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedleak.report.conditions import Condition, condition_of
from fedleak.report.kinds import KINDS, kind_of
from fedleak.report.standing import attackers, eligible, headline, strongest
from fedleak.statistics.comparison import Comparison
from fedleak.statistics.group import Group, Sender
from fedleak.statistics.summary import Summary
from fedleak.statistics.tuning import contest_of

BARE = ""
"""The label of messages that no defense touched, whatever the file calls that."""
Place = tuple[str, Sender]
"""A defense's label, and whether its single messages or their sum."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a verdict is drawn from."""

    summaries: Sequence[Summary]
    comparisons: Sequence[Comparison]
    defended: Mapping[tuple[Condition, str], bool]
    """Each defense where it was tried, and whether there is anything in its chain."""
    adapted: frozenset[str] = frozenset()
    """The defenses that some attack takes account of."""

    @property
    def labels(self) -> list[str]:
        """What was tried: no defense at all first, then the defenses by name."""
        labels = dict.fromkeys(name if chain else BARE for (_, name), chain in self.defended.items())
        return sorted(labels, key=lambda label: label != BARE)

    def label(self, group: Group) -> str:
        """The defense of a group by name, `BARE` where it does nothing."""
        return group.defense if self.defended.get((condition_of(group), group.defense), True) else BARE

    def of(self, kind: str) -> list[Summary]:
        """The summaries of attacks that use the update, by every metric on `inputs` or `labels`."""
        return [summary for summary in attackers(self.summaries) if kind_of(summary.group.metric) == kind]

    def places(self, kind: str) -> dict[Place, list[Summary]]:
        """The summaries by defense, single messages and sums apart."""
        found: dict[Place, list[Summary]] = {}
        for summary in self.of(kind):
            found.setdefault((self.label(summary.group), summary.group.sender), []).append(summary)
        return found

    def worst(self, kind: str) -> dict[Place, Summary]:
        """The figure with the gravest judgement on each defense's messages."""
        return {place: one for place, own in self.places(kind).items() if (one := strongest(own)) is not None}

    def chosen(self, summary: Summary) -> Summary | None:
        """The variant that tuning chose in place of this one; None where it is this one, or nothing was tuned."""
        own = summary.group
        same = [s for s in self.summaries if contest_of(s.group) == contest_of(own) and s.group.metric == own.metric]
        left = eligible(same)
        return None if summary in left else strongest(left)

    def in_first_metric(self, summary: Summary) -> Summary | None:
        """The same attack by the metric that the page speaks in; None where that is this one, or has no figure."""
        metric = headline(self.of(kind_of(summary.group.metric)), kind_of(summary.group.metric))
        same = (s for s in self.summaries if s.group.variant == summary.group.variant and s.group.metric == metric)
        return next((s for s in same if s.group.metric != summary.group.metric and s.messages), None)

    def without_defense(self, summary: Summary) -> Summary | None:
        """The strongest attack on the same kind of messages without a defense, by the same metric."""
        own, where = summary.group, condition_of(summary.group)
        return strongest([
            s for s in self.summaries
            if (self.label(s.group), s.group.sender, s.group.metric) == (BARE, own.sender, own.metric)
            and condition_of(s.group) == where
        ])  # fmt: skip

    @property
    def kinds(self) -> list[str]:
        """The kinds that anything was measured of."""
        return [kind for kind in KINDS if headline(self.of(kind), kind) is not None]
