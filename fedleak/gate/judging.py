"""Holds a rule against every group that it selects, each by itself, so that no average hides anything."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from fedleak.gate.language import KEEPS
from fedleak.gate.measurement import Measurement
from fedleak.gate.measuring import Measured, measure
from fedleak.gate.policy import DecideBy, Rule
from fedleak.gate.verdict import Finding, RuleVerdict
from fedleak.gate.words import number


def judge(rule: Rule, measured: Measured, decide_by: DecideBy) -> RuleVerdict:
    """The verdict on one rule. A rule that found no figure fails: nothing was shown."""
    selected = [one for one in measure(rule.assertion.figure, measured) if rule.assertion.selects(one.subject.fields)]
    figures = [one for one in selected if not math.isnan(one.value)]
    if not figures:
        return RuleVerdict(rule=rule, findings=(), problem=f"nothing was measured for it: {_why(selected)}")
    seen = {one.subject.place for one in figures}
    unseen = [one for one in selected if one.subject.place not in seen and any(map(measured.crashed, one.rows))]
    findings = [*(_unseen(one) for one in unseen), *(_finding(rule, one, decide_by) for one in figures)]
    return RuleVerdict(rule=rule, findings=tuple(sorted(findings, key=_severity)))


def _why(selected: Sequence[Measurement]) -> str:
    if not selected:
        return "it selects no group of this run"
    reasons = sum((Counter(one.failures) for one in selected), Counter[str]())
    groups = f"{len(selected)} groups have" if len(selected) > 1 else "the only group has"
    return f"{groups} no figure ({reasons_text(reasons.items())})"


def reasons_text(reasons: Iterable[tuple[str, int]]) -> str:
    """`4 x the attack guesses no images; 1 x ...`."""
    return "; ".join(f"{count} x {reason}" for reason, count in reasons) or "no message was attacked"


def _unseen(measurement: Measurement) -> Finding:
    why = f"nothing was measured here: {reasons_text(measurement.failures.items())}"
    return Finding(measurement=measurement, bound=math.nan, problem=why)


def _finding(rule: Rule, measurement: Measurement, decide_by: DecideBy) -> Finding:
    bound = rule.assertion.bound.value(measurement.baselines)
    problem = _problem(rule, measurement, bound, decide_by)
    return Finding(measurement=measurement, bound=bound, problem=problem)


def _problem(rule: Rule, measurement: Measurement, bound: float, decide_by: DecideBy) -> str:
    """Why a rule is broken in a group; empty where it is kept."""
    if math.isnan(bound):
        return f"there is no {rule.assertion.bound.baseline} to compare with"
    wanted = f"{rule.assertion.operator} {number(bound, measurement.value)}"
    if not KEEPS[rule.assertion.operator](measurement.value, bound):
        return f"it is not {wanted}"
    interval = measurement.interval
    if decide_by == "figure" or interval is None:
        return ""
    if math.isnan(interval.low):
        return f"it is {wanted}, but has no interval to decide by ({interval.method}); attack more messages or seeds"
    return (
        "" if _interval_keeps(rule, interval.low, interval.high, bound) else f"it is {wanted}, but its interval is not"
    )


def _interval_keeps(rule: Rule, low: float, high: float, bound: float) -> bool:
    """Whether every value of the interval keeps the rule, the end that leaks more among them."""
    if rule.assertion.operator == "!=":
        return not low <= bound <= high
    return all(KEEPS[rule.assertion.operator](end, bound) for end in (low, high))


def _severity(finding: Finding) -> tuple[bool, float]:
    """Sorts findings: broken ones first, the farthest from the bound first."""
    distance = abs(finding.measurement.value - finding.bound)
    far = math.inf if math.isnan(distance) else distance
    return (finding.passed, far if finding.passed else -far)
