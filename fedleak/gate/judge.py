"""Judgement: holds a rule against every group that it selects, each by itself, so that no average hides anything."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from fedleak.gate.measure import Measured, measure
from fedleak.gate.measurement import MeasuredGroup, Measurement
from fedleak.gate.policy import DecideBy, Rule
from fedleak.gate.rule import KEEPS, Assertion
from fedleak.gate.sentences import number, reasons_text
from fedleak.gate.verdict import Finding, RuleVerdict
from fedleak.results.schema import AGGREGATE
from fedleak.statistics.intervals import counted


def judge(rule: Rule, measured: Measured, decide_by: DecideBy) -> RuleVerdict:
    """The verdict on one rule. A rule that found no figure fails: nothing was shown.

    A group without a figure is left out where another attack got one from the same messages: a guess that came to
    nothing is no safety, but neither is it a leak. Where an attack crashed, nobody knows. Where clients refused what a
    server that cheats sent there was nothing to attack, and the rule is kept.
    """
    measurements = measure(rule.assertion.figure, measured)
    selected = _select(rule.assertion, measurements)
    judged = [one for one in selected if _is_judged(one)]
    if not judged and rule.if_measured and not any(one.applicable for one in selected):
        return RuleVerdict(rule=rule, findings=(), notes=("left out: no attack of this run has this figure",))
    if not judged:
        why = _why_none(rule.assertion, measurements)
        return RuleVerdict(rule=rule, findings=(), problem=f"nothing was measured for it: {why}")
    seen = {one.group.place for one in judged if not one.problem and not one.group.blind}
    silent = [one for one in selected if not _is_judged(one)]
    unseen = [one for one in silent if one.group.place not in seen]
    findings = [*map(_unseen, unseen), *(_finding(rule, one, decide_by) for one in judged)]
    return RuleVerdict(
        rule=rule,
        findings=tuple(sorted(findings, key=_severity)),
        notes=(
            *_notes_of_rule(findings, [one for one in silent if one.group.place in seen]),
            *_hint_at_sums(rule, selected, [one.group for one in unseen], measured.masked),
        ),
    )


def _is_judged(measurement: Measurement) -> bool:
    """Whether there is a figure, or something else to say of what the rule is about."""
    return bool(measurement.problem or measurement.refused) or not math.isnan(measurement.value)


def _unseen(measurement: Measurement) -> Finding:
    why = f"nothing was measured here: {reasons_text(measurement.failures.items())}"
    return Finding(measurement=measurement, bound=math.nan, problem=why)


def _finding(rule: Rule, measurement: Measurement, decide_by: DecideBy) -> Finding:
    if math.isnan(measurement.value):
        kept = () if measurement.problem else (measurement.refused,)
        return Finding(measurement=measurement, bound=math.nan, problem=measurement.problem, notes=kept)
    bound = rule.assertion.bound.value(measurement.baselines)
    problems = (_problem(rule, measurement, bound, decide_by), measurement.problem)
    return Finding(
        measurement=measurement,
        bound=bound,
        problem="; ".join(filter(None, problems)),
        alone=decide_by == "interval" and measurement.interval is None,
        notes=tuple(_notes_of_finding(rule, measurement, decide_by)),
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


def _select(assertion: Assertion, measurements: Sequence[Measurement]) -> list[Measurement]:
    """What the rule's conditions name, less what its metric cannot judge and the attacks that never look at an update.

    Such an attack is judged where `where` names it.
    """
    named = [one for one in measurements if assertion.selects(one.group.fields)]
    return [one for one in named if one.applicable and (not one.group.blind or _names(assertion, one.group))]


def _why_none(assertion: Assertion, measurements: Sequence[Measurement]) -> str:
    """A clause for a rule that has no figure to judge."""
    named = [one for one in measurements if assertion.selects(one.group.fields)]
    if not named:
        return "it selects no group of this run"
    looking = [one for one in named if not one.group.blind or _names(assertion, one.group)]
    if not looking:
        blind = " and ".join(dict.fromkeys(str(one.group.attack) for one in named))
        return f'it selects only {blind}, which never look at an update; name them with where attack = "..."'
    reasons = sum((Counter(one.failures) for one in looking), Counter[str]())
    groups = f"{len(looking)} groups have" if len(looking) > 1 else "the only group has"
    return f"{groups} no figure ({reasons_text(reasons.items())})"


def _names(assertion: Assertion, group: MeasuredGroup) -> bool:
    comparisons = assertion.where.comparisons() if assertion.where is not None else ()
    named = [one for one in comparisons if one.field == "attack" and one.operator == "=="]
    return any(one.holds(group.fields) for one in named)


def _notes_of_finding(rule: Rule, measurement: Measurement, decide_by: DecideBy) -> Iterator[str]:
    """What to know of one group: messages without a figure, and where no interval could decide."""
    if measurement.gap:
        yield measurement.gap
    if decide_by == "interval" and measurement.interval is None:
        yield f"the figure alone decided: {rule.assertion.figure} has no interval"


def _notes_of_rule(findings: Sequence[Finding], left_out: Sequence[Measurement]) -> Iterator[str]:
    """What to know of all groups of a rule: proofs that nobody could have had, groups that were left out, gaps."""
    yield from _certifiable([one.measurement for one in findings])
    if left_out:
        first = left_out[0]
        yield (
            f"{counted(len(left_out), 'group')} without a figure left out, for another attack on the same messages "
            f"has one; first: {first.group} ({reasons_text(first.failures.items())})"
        )
    refused = [one.measurement for one in findings if one.measurement.refused]
    if refused:
        yield f"in {len(refused)} of {counted(len(findings), 'group')} {refused[0].refused}"
    gaps = [one.measurement for one in findings if one.measurement.gap and not one.measurement.refused]
    if gaps:
        groups = f"{len(gaps)} of {counted(len(findings), 'group')}"
        yield f"figures are missing in {groups}, first {gaps[0].group}: {gaps[0].gap}"


def _hint_at_sums(
    rule: Rule, selected: Sequence[Measurement], unseen: Sequence[MeasuredGroup], masked: Collection[MeasuredGroup]
) -> Iterator[str]:
    """What to write where nothing is missing but figures of single messages under masks, beside the sums of these."""
    where = rule.assertion.where
    named = where is not None and any(one.field == "sender" for one in where.comparisons())
    hidden = [one.sender == "client" and replace(one.place, sender=None) in masked for one in unseen]
    if hidden and all(hidden) and not named and any(one.group.sender == AGGREGATE for one in selected):
        yield (
            "all that is missing is single messages under masks, which no attack here reads; to judge what the server "
            'opens, select sums: where sender = "aggregate"'
        )


def _certifiable(measurements: Sequence[Measurement]) -> Iterator[str]:
    """A count of proofs is 0 wherever no attack could have had one."""
    counts = [(one.certifiable, one.messages) for one in measurements if one.certifiable is not None]
    vacuous = sum(not certifiable for certifiable, _ in counts)
    test = "had a test that can prove a guess"
    if vacuous and vacuous == len(counts):
        messages = sum(messages for _, messages in counts)
        yield f"no attack here {test} (0 of {counted(messages, 'message')}), so this rule shows nothing"
    elif vacuous:
        yield f"in {vacuous} of {len(counts)} groups no attack {test}, so this rule shows nothing there"
