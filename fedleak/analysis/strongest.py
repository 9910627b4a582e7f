"""Strongest attack: which figure stands for leakage where several attacks, their variants and metrics tell of it."""

import math
from collections.abc import Iterable, Sequence

from fedleak.analysis.judgement import BASELINES, FOUND, badness, judge, kind_of
from fedleak.statistics.group import speaks
from fedleak.statistics.summary import Summary
from fedleak.statistics.tuning import contest_of


def attackers(summaries: Iterable[Summary]) -> list[Summary]:
    """Without the attacks that ignore the update, and without metrics that only stand beside a verdict."""
    informed = (summary for summary in summaries if summary.group.algorithm not in BASELINES)
    return [summary for summary in informed if speaks(summary.group.metric)]


def measured_metrics(summaries: Iterable[Summary], kind: str) -> list[str]:
    """The metrics on such things that have a figure anywhere, in the order of the results."""
    measured = dict.fromkeys(summary.group.metric for summary in summaries if not math.isnan(summary.mean))
    return [metric for metric in measured if kind_of(metric) == kind]


def headline(summaries: Iterable[Summary], kind: str) -> str | None:
    """The first metric on such things that has a figure anywhere: the one that the page speaks in."""
    return next(iter(measured_metrics(summaries, kind)), None)


def eligible(summaries: Sequence[Summary]) -> list[Summary]:
    """Without the variants of an attack that tuning seeds did not choose: the best of many on test seeds is luck."""
    tuned = {contest_of(summary.group) for summary in summaries if summary.tuned}
    return [summary for summary in summaries if summary.tuned or contest_of(summary.group) not in tuned]


def strongest(summaries: Sequence[Summary]) -> Summary | None:
    """The summary with the gravest judgement, by any attack that uses the update and any metric.

    Where something was found, the variant that tuning chose speaks for it, if it found as much. A clean bill is only as
    good as the worst of all variants. Of equals the first metric speaks.
    """
    candidates = attackers(summaries)
    chosen = {summary.group for summary in eligible(candidates)}
    order = {metric: i for i, metric in enumerate(dict.fromkeys(summary.group.metric for summary in candidates))}

    def rank(summary: Summary) -> tuple[int, bool, int, float, float]:
        gravity, leaked, gain = badness(summary)
        passed_over = judge(summary) in FOUND and summary.group not in chosen
        return gravity, passed_over, order[summary.group.metric], leaked, gain

    return min(candidates, key=rank, default=None)
