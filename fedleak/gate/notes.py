"""What to know about a verdict that says less than it seems to."""

from collections.abc import Iterator, Sequence

from fedleak.gate.measurement import Measurement
from fedleak.gate.policy import DecideBy, Rule
from fedleak.gate.selection import reasons_text
from fedleak.gate.verdict import Finding
from fedleak.statistics.intervals import counted


def of_finding(rule: Rule, measurement: Measurement, decide_by: DecideBy) -> Iterator[str]:
    """Of one group: messages without a figure, and where an interval should have decided and there is none."""
    if measurement.gap:
        yield measurement.gap
    if decide_by == "interval" and measurement.interval is None:
        yield f"the figure alone decided: {rule.assertion.figure} has no interval"


def of_rule(findings: Sequence[Finding], left_out: Sequence[Measurement]) -> Iterator[str]:
    """Of all groups of a rule: proofs that nobody could have had, groups that were left out, gaps."""
    yield from _certifiable([one.measurement for one in findings])
    if left_out:
        first = left_out[0]
        yield (
            f"{counted(len(left_out), 'group')} without a figure left out, for another attack on the same messages "
            f"has one; first: {first.subject} ({reasons_text(first.failures.items())})"
        )
    gaps = [one.measurement for one in findings if one.measurement.gap]
    if gaps:
        groups = f"{len(gaps)} of {counted(len(findings), 'group')}"
        yield f"figures are missing in {groups}, first {gaps[0].subject}: {gaps[0].gap}"


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
