"""Terminal output of a verdict: a line for each rule, and for what is broken all that is needed to look."""

import textwrap
from collections.abc import Iterator

from fedleak.formatting import printable
from fedleak.gate.sentences import (
    baselines_text,
    counts_text,
    figure,
    interval_text,
    leaked_text,
    number,
    p_text,
    signed,
)
from fedleak.gate.verdict import BaselineVerdict, Change, Finding, NewFigures, Picture, RuleVerdict, Verdict
from fedleak.statistics.intervals import counted

WIDTH = 80
GROUPS = 8
"""Broken groups of a rule that are shown; all of them are in the files."""


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """What the terminal shows, nothing longer than 80 columns but paths, and nothing that steers the terminal."""
    return map(printable, _lines(verdict))


def _lines(verdict: Verdict) -> Iterator[str]:
    for rule in verdict.rules:
        yield from _rule(rule)
    if verdict.baseline is not None:
        yield from _baseline(verdict.baseline)
    for problem in verdict.problems:
        yield from _wrapped(f"FAIL  {problem}", "      ")
    if verdict.failed_messages:
        yield "messages without a figure by any metric:"
        for line in verdict.failed_messages[:GROUPS]:
            yield from _wrapped(f"  {line}", "    ")
        yield from _more(len(verdict.failed_messages), "  ")
    yield _last(verdict)


def _rule(verdict: RuleVerdict) -> Iterator[str]:
    rule = verdict.rule
    groups = f"broken in {len(verdict.broken)} of {_groups(verdict)}" if verdict.broken else _groups(verdict)
    groups_note = "" if verdict.problem else f"  ({groups})"
    named = "" if rule.name == rule.text else f"{rule.name}: "
    mark = "PASS" if verdict.passed else "FAIL"
    yield from _wrapped(f"{mark}  rule {rule.number}  {named}{rule.text}{groups_note}", "              ")
    if rule.because and not verdict.passed:
        yield from _wrapped(f"      because {rule.because}", "      ")
    if verdict.problem:
        yield from _wrapped(f"      {verdict.problem}", "      ")
    for note in verdict.notes:
        yield from _wrapped(f"      note: {note}", "        ")
    for finding in verdict.broken[:GROUPS]:
        yield from _finding(verdict, finding)
    yield from _more(len(verdict.broken), "      ")


def _groups(verdict: RuleVerdict) -> str:
    alone = "; the figure alone decides" if any(finding.alone for finding in verdict.findings) else ""
    return f"{counted(len(verdict.findings), 'group')}{alone}"


def _finding(verdict: RuleVerdict, finding: Finding) -> Iterator[str]:
    measurement, assertion = finding.measurement, verdict.rule.assertion
    yield from _wrapped(f"    - {measurement.group}", "      ")
    if measurement.value == measurement.value:
        value = figure(measurement.value, measurement.unit, finding.bound)
        yield from _wrapped(f"      {assertion.figure} is {value}; {interval_text(measurement.interval)}", "        ")
        bound = f"bound {number(finding.bound, measurement.value)}"
        yield from _wrapped(
            f"      {'; '.join(filter(None, [bound, baselines_text(measurement), counts_text(measurement)]))}",
            "        ",
        )
    for remark in (finding.problem, *finding.notes):
        yield from _wrapped(f"      {remark}", "        ")
    yield from _picture(finding.picture)


def _picture(picture: Picture | None) -> Iterator[str]:
    if picture is not None and picture.path is not None:
        yield f"      picture {picture.path}"  # not wrapped: a path is there to be copied
    elif picture is not None:
        yield from _wrapped(f"      no picture: {picture.reason}", "        ")


def _baseline(baseline: BaselineVerdict) -> Iterator[str]:
    broken = baseline.regressions
    mark = "PASS" if baseline.passed else "FAIL"
    groups = counted(len(baseline.changes) + baseline.unchanged, "group")
    counts = f"{len(broken)} of {groups} leak more, {baseline.unchanged} unchanged"
    yield from _wrapped(f"{mark}  baseline {baseline.old}: {counts} (alpha {baseline.alpha:g})", "      ")
    if baseline.problem:
        yield from _wrapped(f"      {baseline.problem}", "      ")
    for change in broken[:GROUPS]:
        yield from _change(change)
    yield from _more(len(broken), "      ")
    yield from _differences(baseline)
    for figures in baseline.new_figures[:GROUPS]:
        yield from _new(figures)
    yield from _more(len(baseline.new_figures), "      ")
    if baseline.undecided:
        yield f"      {counted(baseline.undecided, 'group')} with too few messages to test"
    if baseline.new_groups:
        yield f"      {counted(baseline.new_groups, 'group')} that the baseline does not have, not compared"


def _differences(baseline: BaselineVerdict) -> Iterator[str]:
    if baseline.differences:
        allowed = "allowed" if baseline.allow_changes else "--allow-changes only tells them"
        yield f"      {counted(len(baseline.differences), 'difference')} from the baseline ({allowed}):"
    for difference in baseline.differences[:GROUPS]:
        yield from _wrapped(f"    - {difference}", "      ")
    yield from _more(len(baseline.differences), "      ")


def _new(figures: NewFigures) -> Iterator[str]:
    own = figures.measurement
    yield from _wrapped(f"    - new: {figures.metric} of {own.group}", "      ")
    text = f"no figure before, {figure(own.value, own.unit)} now ({baselines_text(own)}; {counts_text(own)})"
    yield from _wrapped(f"      {text}: not compared, {leaked_text(figures)}", "        ")
    yield from _picture(figures.picture)


def _change(change: Change) -> Iterator[str]:
    measurement = change.comparison
    yield from _wrapped(f"    - {measurement.group.metric} of {change.measurement.group}", "      ")
    yield f"      {figure(change.old, change.unit)} before, {figure(change.new, change.unit)} now"
    yield from _wrapped(f"      {change.problem}", "        ")
    difference = f"difference {signed(measurement.difference)}; {interval_text(measurement.interval)}"
    yield from _wrapped(f"      {difference}; {p_text(measurement.p_value)} ({measurement.test})", "        ")
    yield from _picture(change.picture)


def _last(verdict: Verdict) -> str:
    parts = []
    if verdict.rules:
        broken = sum(not rule.passed for rule in verdict.rules)
        parts.append(f"{broken} of {counted(len(verdict.rules), 'rule')} broken")
    if verdict.baseline is not None:
        parts.append(counted(len(verdict.baseline.regressions) + len(verdict.baseline.leaks), "regression"))
        if verdict.baseline.differences:
            allowed = ", allowed" if verdict.baseline.allow_changes else ""
            parts.append(f"{counted(len(verdict.baseline.differences), 'difference')}{allowed}")
    if verdict.problems or (verdict.baseline is not None and verdict.baseline.problem):
        parts.append("too little was shown")
    return f"verdict: {'PASS' if verdict.passed else 'FAIL'} ({', '.join(parts)}), exit status {verdict.exit_status}"


def _more(count: int, indent: str) -> Iterator[str]:
    if count > GROUPS:
        yield f"{indent}and {count - GROUPS} more; --junit, --sarif and --markdown write all of them"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
