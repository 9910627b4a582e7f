"""Evidence of a verdict: summaries, paired tests, where a defense acts at all, and why guesses do not fit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fedleak.analysis.conditions import Condition, Tried, condition_of, condition_of_row
from fedleak.analysis.judgement import BASELINES, KINDS, kind_of
from fedleak.analysis.strongest import attackers, eligible, headline, strongest
from fedleak.experiment.campaign import Campaign
from fedleak.formatting import setting_in_words
from fedleak.goals.goals import GOALS
from fedleak.learning.space import InputSpace, space_of_source
from fedleak.results.row import Row
from fedleak.results.schema import ACTIVE, AGGREGATE, MODEL, RELAY, Who
from fedleak.statistics.group import Group, Sender, Variant, group_rows
from fedleak.statistics.paired_tests import Comparison, compare_defenses
from fedleak.statistics.summary import Summary
from fedleak.statistics.tuning import contest_of
from fedleak.tasks import source_of

BARE = ""
"""The label of messages that no defense touched, whatever the file calls that."""
SIGNIFICANT = 0.05
"""Below which p-value chance hardly explains the difference of a paired test."""
Place = tuple[str, Sender]
"""A defense's label, and whether its single messages or their sum."""


def defense_words(defense: str, who: Who | Sender) -> str:
    """The defense, and whether it is the sum that it revealed, or who sat there: `secure aggregation (sum)`."""
    seats = {AGGREGATE: " (sum)", ACTIVE: " (by the active party)", RELAY: " (by the relay)"}
    return defense + seats.get(str(who), "")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a verdict is drawn from."""

    summaries: Sequence[Summary]
    comparisons: Sequence[Comparison]
    defended: Mapping[Tried, bool]
    """Each defense where it was tried, and whether there is anything in its chain."""
    adapted: frozenset[str] = frozenset()
    """The defenses that some attack takes account of."""
    diagnostic: bool = False
    """Whether every message is from the diagnostic setting; see `is_diagnostic`."""
    told_apart: str = ""
    """Which shares of a property, in words."""
    example: str = "example"
    """What an example is called."""

    @property
    def of_models(self) -> bool:
        """Whether models that left their federation are all that was attacked."""
        return {summary.group.sender for summary in self.summaries} == {MODEL}

    @property
    def labels(self) -> list[str]:
        """What was tried: no defense at all first, then the defenses by name."""
        labels = dict.fromkeys(name if chain else BARE for (_, name), chain in self.defended.items())
        return sorted(labels, key=lambda label: label != BARE)

    @property
    def kinds(self) -> list[str]:
        """The kinds that anything was measured of."""
        return [kind for kind in KINDS if headline(self.of(kind), kind) is not None]

    def noun(self, kind: str) -> str:
        """What a sample of a kind is, in the singular."""
        return GOALS[kind].noun.format(example=self.example)

    def label(self, group: Group) -> str:
        """The defense of a group by name, `BARE` where it does nothing."""
        return group.defense if self.defended.get((condition_of(group), group.defense), True) else BARE

    def of(self, kind: str) -> list[Summary]:
        """The summaries of attacks that use the update, by every metric on `inputs` or `labels`."""
        return [summary for summary in attackers(self.summaries) if kind_of(summary.group.metric) == kind]

    def places(self, kind: str) -> dict[Place, list[Summary]]:
        """The summaries by defense, single messages and sums apart; models where something of the kind came of them."""
        own = self.of(kind)
        sides = {summary.group.carrier for summary in own if summary.messages}  # what updates are asked, models are not
        found: dict[Place, list[Summary]] = {}
        for summary in (one for one in own if not sides or one.group.carrier in sides):
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


def example_of(campaign: Campaign) -> str:
    """What an example is called, where all tasks of a campaign call it the same."""
    tasks = dict.fromkeys(point.experiment.task for point in campaign.points)
    nouns = {space_of_source(source_of(task)).noun for task in tasks}
    return nouns.pop() if len(nouns) == 1 else InputSpace.noun


def references_of(rows: Sequence[Row], defended: Mapping[Tried, bool]) -> dict[Condition, str]:
    """For each condition what its defenses are compared with: none at all where it has that, else the run's first."""
    names: dict[Condition, dict[str, None]] = {}
    for row in rows:
        names.setdefault(condition_of_row(row), {})[row.defense] = None
    first = next((row.defense for row in rows), "")
    return {
        where: next((name for name in own if not defended.get((where, name), True)), first)
        for where, own in names.items()
    }


def comparisons_of(rows: Sequence[Row], references: Mapping[Condition, str]) -> list[Comparison]:
    """The paired tests of all conditions; what ignores the update is not compared."""
    found: list[Comparison] = []
    for name in dict.fromkeys(references.values()):
        own = [row for row in rows if references[condition_of_row(row)] == name and row.algorithm not in BASELINES]
        if any(row.defense == name for row in own):
            found += compare_defenses(own, name)
    return found


def comparisons_of_chosen(rows: Sequence[Row], references: Mapping[Condition, str]) -> list[Comparison]:
    """The same where of each attack one variant was run under each defense, which need not be the same under all."""
    by_algorithm = {replace(group, attack=group.algorithm): group for group in group_rows(rows)}
    compared = comparisons_of([replace(row, attack=row.algorithm) for row in rows], references)
    return [replace(one, group=by_algorithm[one.group], reference=by_algorithm[one.reference]) for one in compared]


@dataclass(frozen=True, kw_only=True)
class Diagnosed:
    """One cause, for one attack on one kind of message."""

    group: Group
    count: int
    """Messages."""
    messages: int
    """Of how many."""
    words: str
    """What was seen in the first of them, and what to do about it."""

    @property
    def sentence(self) -> str:
        """`dlg under noisy, in 3 of 4 messages, as in the first: ...`."""
        own = self.group
        sums = " on the sum" if own.sender == "aggregate" else ""
        where = "".join(f", {part}" for part in [setting_in_words(dict(own.setting))] if part)
        first = ", such as" if self.count > 1 else ""
        count = f"{self.count} of {self.messages} {'message' if self.messages == 1 else 'messages'}"
        return f"{own.attack}{sums} under {own.defense}{where}, {count}{first}: {self.words}"


def diagnosed(summaries: Iterable[Summary]) -> dict[Variant, list[Diagnosed]]:
    """The causes for each attack on each kind of message, the most frequent first; the same by every metric."""
    found: dict[Variant, list[Diagnosed]] = {}
    for one in summaries:
        messages = one.messages + one.failed
        if one.diagnoses and messages and one.group.variant not in found:
            found[one.group.variant] = [
                Diagnosed(group=one.group, count=count, messages=messages, words=words)
                for count, words in one.diagnoses.values()
            ]
    return found
