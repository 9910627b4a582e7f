"""Hidden columns of members beside those of others: what each attack gains over an imputer, and what that means."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fedleak.analysis.conditions import condition_of
from fedleak.analysis.evidence import defense_words
from fedleak.analysis.judgement import BASELINES
from fedleak.formatting import listed, number, signed
from fedleak.goals.columns import ColumnMetric
from fedleak.statistics.group import installed
from fedleak.statistics.intervals import Interval
from fedleak.statistics.summary import Summary

OTHERS = "-of-others"
"""Ends the name of a metric on rows that nobody trained on, which is that of members before it."""
LEADING = ("column-auc", "column-error", "column-accuracy")
"""The metrics that sentences speak in, the first that there is."""
LINES = 120
"""Lines of the table, to keep the page small."""
ABOUT_MEMBERS = "of members alone: as memory of them would show"
ABOUT_ANYBODY = "of anybody: others gain as well"
UNCLEAR = "of members; of others too uncertain to tell"
NO_MORE = "nothing that an imputer does not say"
TOO_FEW = "too few models to tell"


@dataclass(frozen=True, kw_only=True)
class Paired:
    """One attack under one defense by one metric: on rows that were trained on, and on rows that nobody trained on."""

    members: Summary
    others: Summary

    @property
    def says(self) -> str:
        """What the model tells beyond an imputer, and of whom."""
        own, theirs = self.members.gain_interval, self.others.gain_interval
        if math.isnan(own.low) or math.isnan(theirs.low):
            return NO_MORE if self.members.gain <= 0 else TOO_FEW
        if own.low <= 0:
            return NO_MORE if self.members.gain <= 0 else "nothing that chance may not explain"
        if theirs.low > 0:
            return ABOUT_ANYBODY
        return ABOUT_MEMBERS if theirs.high < own.low else UNCLEAR

    @property
    def over_both(self) -> float:
        """The mean of both gains."""
        return (self.members.gain + self.others.gain) / 2


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the table: figures with intervals, the imputer's, and the gain."""

    where: str
    defense: str
    attack: str
    metric: str
    members: tuple[str, str, str]
    others: tuple[str, str, str]
    says: str


@dataclass(frozen=True, kw_only=True)
class HiddenColumns:
    """The section."""

    sentences: tuple[str, ...]
    lines: tuple[Line, ...]
    lines_left_out: int


def hidden_columns(summaries: Sequence[Summary]) -> HiddenColumns | None:
    """The section of a run's summaries; None where no hidden column of members and of others was guessed."""
    found = pairs_in(summaries)
    if not found:
        return None
    lines = [_line(one) for one in found]
    return HiddenColumns(
        sentences=tuple(meaning(summaries)), lines=tuple(lines[:LINES]), lines_left_out=max(0, len(lines) - LINES)
    )


def pairs_in(summaries: Sequence[Summary]) -> list[Paired]:
    """Attacks with a figure of either kind of rows, in the order of the results."""
    others = {(one.group.variant, one.group.metric): one for one in summaries}
    return [
        Paired(members=one, others=other)
        for one in summaries
        if _of_members(one) and one.group.algorithm not in BASELINES
        for other in [others.get((one.group.variant, f"{one.group.metric}{OTHERS}"))]
        if other is not None and not math.isnan(one.gain) and not math.isnan(other.gain)
    ]


def meaning(summaries: Sequence[Summary]) -> Iterator[str]:
    """What the difference between members and others means, by the metric that leads; nothing without figures."""
    every = pairs_in(summaries)
    metric = next((name for name in LEADING if any(one.members.group.metric == name for one in every)), None)
    told = [one for one in every if one.members.group.metric == metric]
    if not told:
        return
    gaining = {_name(one) for one in told if one.members.gain > 0}
    less = dict.fromkeys(_name(one) for one in told if _name(one) not in gaining)
    if less:
        verb = "says" if len(less) == 1 else "say"
        yield (
            f"What {listed(less)} {verb} of members by {metric} is no more than an imputer does that asks no model: "
            "however high the figure, it is no leak."
        )
    remembered = [one for one in told if one.says == ABOUT_MEMBERS]
    if not remembered:
        yield "No attack surely gains more for members than for others: nothing here is about members alone."
        return
    most = max(remembered, key=lambda one: one.members.gain)
    yield (
        f"{_name(most)} under “{most.members.group.defense}” ({condition_of(most.members.group).words}) has "
        f"{metric} {number(most.members.mean)} for members, where an imputer has {number(most.members.no_access)}: "
        f"{_gained(most.members)}. For others it has {number(most.others.mean)}, where an imputer has "
        f"{number(most.others.no_access)}: {_gained(most.others)}. What is gained for members and not for others of "
        "their kind is about those people, as memory of them would be; over both together the mean gain is "
        f"{signed(most.over_both, '')}, which hides it."
    )


def _gained(summary: Summary) -> str:
    interval = summary.gain_interval
    spread = "" if math.isnan(interval.low) else f" (95%: {number(interval.low)} to {number(interval.high)})"
    return f"{signed(summary.gain, '')}{spread}"


def _name(pair: Paired) -> str:
    return pair.members.group.attack


def _of_members(summary: Summary) -> bool:
    metric = installed(summary.group.metric)
    return metric is not None and issubclass(metric, ColumnMetric) and metric.of_members


def _line(pair: Paired) -> Line:
    group = pair.members.group
    return Line(
        where=condition_of(group).words,
        defense=defense_words(group.defense, group.sender),
        attack=group.attack,
        metric=group.metric,
        members=_figures(pair.members),
        others=_figures(pair.others),
        says=pair.says,
    )


def _figures(summary: Summary) -> tuple[str, str, str]:
    return f"{number(summary.mean)}{_words(summary.interval)}", number(summary.no_access), _gained(summary)


def _words(interval: Interval) -> str:
    return "" if math.isnan(interval.low) else f" [{number(interval.low)}, {number(interval.high)}]"
