"""The verdict as JUnit XML: a test case for each rule and group, which most CI systems show by themselves."""

from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from fedleak.files import write_atomically
from fedleak.gate.verdict import BaselineVerdict, RuleVerdict, Verdict
from fedleak.gate.words import change_text, finding_text

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
    if verdict.problem:
        _case(suite, "something was measured", verdict.problem)
    for finding in verdict.findings:
        text = finding_text(verdict, finding)
        _case(suite, str(finding.measurement.subject), "" if finding.passed else f"{verdict.rule.text}: {text}", text)
        if finding.picture is not None:
            suite[-1][0].text = f"{suite[-1][0].text}\npicture: {finding.picture}"


def _baseline(root: Element, baseline: BaselineVerdict) -> None:
    suite = _suite(root, f"no more leakage than in {baseline.old}")
    for change in baseline.changes:
        text = change_text(change, baseline.alpha)
        name = f"{change.comparison.group.metric} of {change.measurement.subject}"
        _case(suite, name, text if change.regressed else "", text)
        if change.picture is not None:
            suite[-1][0].text = f"{suite[-1][0].text}\npicture: {change.picture}"


def _suite(root: Element, name: str) -> Element:
    return SubElement(root, "testsuite", name=_plain(name))


def _case(suite: Element, name: str, failure: str, told: str = "") -> None:
    case = SubElement(suite, "testcase", classname=suite.get("name", ""), name=_plain(name))
    if failure:
        SubElement(case, "failure", message=_plain(failure), type="leak").text = _plain(failure)
    elif told:
        SubElement(case, "system-out").text = _plain(told)


def _count(suite: Element) -> None:
    suite.set("tests", str(len(list(suite.iter("testcase")))))
    suite.set("failures", str(len(list(suite.iter("failure")))))
    suite.set("errors", "0")


def _plain(text: str) -> str:
    return text.translate(FORBIDDEN)
