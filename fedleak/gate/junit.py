"""JUnit XML of a verdict: a test case for each rule and group, which most CI systems show by themselves."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from fedleak.gate.sentences import change_text, finding_text, new_figures_text
from fedleak.gate.verdict import BaselineVerdict, Picture, RuleVerdict, Verdict
from fedleak.io.atomic import write_atomically
from fedleak.statistics.intervals import counted

FORBIDDEN = dict.fromkeys((*range(9), 11, 12, *range(14, 32)))
"""Control characters that XML has no way to write."""


def write_junit(verdict: Verdict, path: Path) -> Path:
    """Writes the file whole."""
    root = Element("testsuites", name="fedleak check")
    if verdict.problems:
        _problems(root, verdict)
    for rule in verdict.rules:
        _rule(root, rule)
    if verdict.baseline is not None:
        _baseline(root, verdict.baseline)
    for suite in root:
        _count(suite)
    _count(root)
    indent(root)
    return write_atomically(
        path, b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="utf-8") + b"\n"
    )


def _problems(root: Element, verdict: Verdict) -> None:
    suite = _suite(root, "the run")
    for problem in verdict.problems:
        _case(suite, "enough was measured", problem)


def _rule(root: Element, verdict: RuleVerdict) -> None:
    suite = _suite(root, f"rule {verdict.rule.number}: {verdict.rule.name}")
    _notes(suite, verdict.notes)
    if verdict.problem:
        _case(suite, "something was measured", verdict.problem)
    for finding in verdict.findings:
        text = finding_text(verdict, finding)
        failure = "" if finding.passed else f"{verdict.rule.text}: {text}"
        _case(suite, str(finding.measurement.group), failure, text, finding.picture)


def _baseline(root: Element, baseline: BaselineVerdict) -> None:
    suite = _suite(root, f"no more leakage than in {baseline.old}")
    if baseline.problem:
        _case(suite, "something could be tested", baseline.problem)
    if baseline.unchanged:
        _case(
            suite, f"{counted(baseline.unchanged, 'group')} unchanged", "", "every message has the figure that it had"
        )
    for place, difference in enumerate(baseline.differences, 1):
        _case(suite, f"comparable {place}", "" if baseline.allow_changes else difference, difference)
    for change in baseline.changes:
        text = change_text(change, baseline.alpha)
        name = f"{change.comparison.group.metric} of {change.measurement.group}"
        _case(suite, name, text if change.regressed else "", text, change.picture)
    for figures in baseline.new_figures:
        text, name = new_figures_text(figures), f"new: {figures.metric} of {figures.measurement.group}"
        _case(suite, name, text if figures.leaked else "", text, figures.picture)


def _suite(root: Element, name: str) -> Element:
    return SubElement(root, "testsuite", name=_plain(name))


def _notes(suite: Element, notes: Sequence[str]) -> None:
    if notes:
        properties = SubElement(suite, "properties")
        for note in notes:
            SubElement(properties, "property", name="note", value=_plain(note))


def _case(suite: Element, name: str, failure: str, output: str = "", picture: Picture | None = None) -> None:
    case = SubElement(suite, "testcase", classname=suite.get("name", ""), name=_plain(name))
    if failure:
        shown = "" if picture is None else f"\npicture: {picture}"
        SubElement(case, "failure", message=_plain(failure), type="leak").text = _plain(failure + shown)
    elif output:
        SubElement(case, "system-out").text = _plain(output)


def _count(suite: Element) -> None:
    suite.set("tests", str(len(list(suite.iter("testcase")))))
    suite.set("failures", str(len(list(suite.iter("failure")))))
    suite.set("errors", "0")


def _plain(text: str) -> str:
    return text.translate(FORBIDDEN)
