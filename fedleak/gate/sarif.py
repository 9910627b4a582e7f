"""SARIF 2.1.0 of a verdict, which code scanning shows at the line of the rule that is broken.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fedleak import __version__
from fedleak.gate.measurement import Measurement
from fedleak.gate.sentences import change_text, finding_text, new_figures_text
from fedleak.gate.verdict import BaselineVerdict, Change, Finding, Picture, RuleVerdict, Verdict
from fedleak.io.atomic import write_atomically
from fedleak.results.schema import finite_or_null

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RUN = "run"
BASELINE = "baseline"
Facts = dict[str, Any]


def write_sarif(verdict: Verdict, path: Path) -> Path:
    """Writes the file whole. Only what fails is a result: a kept rule is no finding."""
    run = {
        "tool": {"driver": {"name": "fedleak", "version": __version__, "rules": list(_rules(verdict))}},
        "results": list(_results(verdict)),
        "invocations": [{"executionSuccessful": True, "exitCode": verdict.exit_status}],
        "columnKind": "unicodeCodePoints",
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return write_atomically(path, (json.dumps(log, indent=1, ensure_ascii=False) + "\n").encode())


def _rules(verdict: Verdict) -> Iterator[Facts]:
    yield _rule(RUN, "enough was measured", "Every cell has run, and some have a figure.")
    for one in verdict.rules:
        yield _rule(
            f"rule-{one.rule.number}", one.rule.name, one.rule.because or one.rule.text, one.rule.text, one.notes
        )
    if verdict.baseline is not None:
        why = f"No group leaks more than in {verdict.baseline.old}, beyond noise, and all that was seen there was seen."
        yield _rule(BASELINE, "no regression", why)


def _rule(id: str, name: str, why: str, text: str = "", notes: Sequence[str] = ()) -> Facts:
    return {
        "id": id,
        "name": name,
        "shortDescription": {"text": name},
        "fullDescription": {"text": why},
        "defaultConfiguration": {"level": "error"},
        "properties": {**({"assert": text} if text else {}), **({"notes": list(notes)} if notes else {})},
    }


def _results(verdict: Verdict) -> Iterator[Facts]:
    for problem in verdict.problems:
        yield _result(RUN, problem, problem, _location(verdict, 1))
    for rule in verdict.rules:
        location = _location(verdict, rule.rule.line)
        if rule.problem:
            yield _result(f"rule-{rule.rule.number}", f"{rule.rule.text}: {rule.problem}", rule.rule.text, location)
        for finding in rule.broken:
            yield _finding(rule, finding, location)
    if verdict.baseline is not None:
        yield from _against(verdict.baseline, _location(verdict, 1))


def _against(baseline: BaselineVerdict, location: Facts) -> Iterator[Facts]:
    problems = [baseline.problem] if baseline.problem else []
    for problem in (*problems, *(() if baseline.allow_changes else baseline.differences)):
        yield _result(BASELINE, problem, problem, location)
    for change in baseline.regressions:
        yield _regression(baseline.alpha, change, location)
    for figures in baseline.leaks:
        message = f"{new_figures_text(figures)}{_picture_text(figures.picture)}"
        properties = {"leaked": figures.leaked, **_figures(figures.measurement, figures.picture)}
        key = f"new {figures.metric} {figures.measurement.group}"
        yield _result(BASELINE, message, key, location, properties)


def _finding(rule: RuleVerdict, finding: Finding, location: Facts) -> Facts:
    message = f"{rule.rule.text}: {finding_text(rule, finding)}{_picture_text(finding.picture)}"
    figures = _figures(finding.measurement, finding.picture)
    properties = {"bound": finding.bound, **figures, **({"notes": list(finding.notes)} if finding.notes else {})}
    key = f"{rule.rule.text} {finding.measurement.group}"
    return _result(f"rule-{rule.rule.number}", message, key, location, properties)


def _regression(alpha: float, change: Change, location: Facts) -> Facts:
    message = f"{change_text(change, alpha)}{_picture_text(change.picture)}"
    comparison = change.comparison
    properties = {
        "old": change.old,
        "new": change.new,
        "difference": comparison.difference,
        "interval": [comparison.interval.low, comparison.interval.high],
        "p": comparison.p_value,
        "test": comparison.test,
        **_figures(change.measurement, change.picture),
    }
    return _result(BASELINE, message, f"{comparison.group.metric} {change.measurement.group}", location, properties)


def _result(rule: str, message: str, key: str, location: Facts, properties: Facts | None = None) -> Facts:
    """`key` says what the result is about without its figures, so that the same one is known again next time."""
    return {
        "ruleId": rule,
        "level": "error",
        "message": {"text": message},
        "locations": [location],
        "partialFingerprints": {"fedleak/v1": hashlib.blake2b(key.encode(), digest_size=16).hexdigest()},
        "properties": _plain(properties or {}),
    }


def _plain(facts: Facts) -> Facts:
    """Without NaN, which JSON has no word for."""
    return {key: _plain(value) if isinstance(value, dict) else finite_or_null(value) for key, value in facts.items()}


def _figures(measurement: Measurement, picture: Picture | None) -> Facts:
    group, interval = measurement.group, measurement.interval
    return {
        "group": {**vars(group), "setting": dict(group.setting)},
        "figure": measurement.value,
        "unit": measurement.unit,
        "baselines": dict(measurement.baselines),
        **({} if interval is None else {"interval": [interval.low, interval.high], "intervalMethod": interval.method}),
        "messages": measurement.messages,
        "seeds": measurement.seeds,
        **({"picture": str(picture.path)} if picture is not None and picture.path is not None else {}),
    }


def _picture_text(picture: Picture | None) -> str:
    return "" if picture is None else f"; picture: {picture}"


def _location(verdict: Verdict, line: int) -> Facts:
    """The policy's line; the run's experiment where there is no policy."""
    path = verdict.policy.path if verdict.policy is not None else verdict.run / "experiment.toml"
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(path)}, "region": {"startLine": line}}}


def _uri(path: Path) -> str:
    """Relative to where the command runs, as code scanning wants it, where the file lies below."""
    absolute, here = path.resolve(), Path.cwd().resolve()
    if not absolute.is_relative_to(here):
        return absolute.as_uri()
    return (Path("/") / absolute.relative_to(here)).as_uri().removeprefix("file:///")
