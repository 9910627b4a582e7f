"""What stands in a cell of the matrix: the count, and below it all that it must be read beside."""

import math
from collections.abc import Iterator

from fedleak.analysis.judgement import Judgement, by_luck, hits, judge, reached
from fedleak.formatting import measured, number
from fedleak.statistics.summary import Summary


def count_words(summary: Summary) -> str:
    """Counts lead; what a blind guess reaches is no finding, and a metric that is not installed has no threshold."""
    if judge(summary) in (Judgement.MISSING, Judgement.BLIND) or math.isnan(summary.share):
        return measured(summary.mean, summary.unit)
    return f"{hits(summary)} of {len(summary.samples)}"


def facts(summary: Summary) -> Iterator[tuple[str, str]]:
    """Terms with their figures."""
    yield "mean", measured(summary.mean, summary.unit)
    low, high = summary.interval.low, summary.interval.high
    yield "95%", summary.interval.method if math.isnan(low) else f"{number(low)} to {number(high)}"
    yield "prior", number(summary.prior)
    yield "no gradient", number(summary.no_gradient)
    if reached(summary) != hits(summary):
        sign = "≥" if summary.higher_is_better else "≤"
        yield f"{sign} {measured(summary.threshold, summary.unit)}", f"{reached(summary)} of {len(summary.samples)}"
    if not by_luck(summary):
        yield "worst case", number(summary.worst_case)
    yield "proof", _proof(summary)


def _proof(summary: Summary) -> str:
    possible = max(summary.certifiable, summary.certified)
    if not possible:
        return "none possible here"
    if not summary.certified:
        return "none: a guess"
    part = f", {summary.partly} by the first layer alone" if summary.partly else ""
    return f"proved {summary.certified} of {possible}{part}"
