"""Holds a rule against every group that it selects, each by itself, so that no average hides anything."""

import math

from fedleak.gate import notes
from fedleak.gate.rule import KEEPS
from fedleak.gate.measurement import Measurement
from fedleak.gate.measuring import Measured, measure
from fedleak.gate.policy import DecideBy, Rule
from fedleak.gate.selection import reasons_text, select, why_none
from fedleak.gate.verdict import Finding, RuleVerdict
from fedleak.gate.words import number


def judge(rule: Rule, measured: Measured, decide_by: DecideBy) -> RuleVerdict:
    """The verdict on one rule. A rule that found no figure fails: nothing was shown.

    A group without a figure is left out where another attack got one from the same messages: a guess that came to
    nothing is no safety, but neither is it a leak. Where an attack crashed, nobody knows.
    """
    measurements = measure(rule.assertion.figure, measured)
    selected = select(rule.assertion, measurements)
    judged = [one for one in selected if _is_judged(one)]
    if not judged:
        why = why_none(rule.assertion, measurements)
        return RuleVerdict(rule=rule, findings=(), problem=f"nothing was measured for it: {why}")
    seen = {one.subject.place for one in judged if not one.problem and not one.subject.blind}
    silent = [one for one in selected if not _is_judged(one)]
    unseen = [_unseen(one) for one in silent if one.subject.place not in seen]
    findings = [*unseen, *(_finding(rule, one, decide_by) for one in judged)]
    return RuleVerdict(
        rule=rule,
        findings=tuple(sorted(findings, key=_severity)),
        notes=tuple(notes.of_rule(findings, [one for one in silent if one.subject.place in seen])),
    )


def _is_judged(measurement: Measurement) -> bool:
    return bool(measurement.problem) or not math.isnan(measurement.value)


def _unseen(measurement: Measurement) -> Finding:
    why = f"nothing was measured here: {reasons_text(measurement.failures.items())}"
    return Finding(measurement=measurement, bound=math.nan, problem=why)


def _finding(rule: Rule, measurement: Measurement, decide_by: DecideBy) -> Finding:
    if math.isnan(measurement.value):
        return Finding(measurement=measurement, bound=math.nan, problem=measurement.problem)
    bound = rule.assertion.bound.value(measurement.baselines)
    problems = (_problem(rule, measurement, bound, decide_by), measurement.problem)
    return Finding(
        measurement=measurement,
        bound=bound,
        problem="; ".join(filter(None, problems)),
        alone=decide_by == "interval" and measurement.interval is None,
        notes=tuple(notes.of_finding(rule, measurement, decide_by)),
    )


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
    if _interval_keeps(rule, interval.low, interval.high, bound):
        return ""
    return f"it is {wanted}, but its interval is not"


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
