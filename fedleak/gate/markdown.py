"""Markdown of a verdict, for the summary of a CI job."""

import os
from collections.abc import Iterator
from pathlib import Path

from fedleak.errors import OutputError
from fedleak.formatting import code, escaped
from fedleak.gate.rule import BASELINES
from fedleak.gate.sentences import figure, new_figures_text, number, p_text, signed
from fedleak.gate.verdict import BaselineVerdict, Change, Finding, RuleVerdict, Verdict
from fedleak.io.atomic import write_atomically
from fedleak.statistics.intervals import counted

SUMMARY = "GITHUB_STEP_SUMMARY"
ROWS = 200
"""Of a table: a job's summary has a limit of 1 MiB."""


def write_markdown(verdict: Verdict, path: Path) -> Path:
    """Writes the file whole; GitHub's step summary belongs to all commands of a step, so it is appended to."""
    text = "\n".join(_page(verdict)) + "\n"
    summary = os.environ.get(SUMMARY)
    if not summary or path.resolve() != Path(summary).resolve():
        return write_atomically(path, text.encode())
    try:
        with path.open("a") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; choose another --markdown") from error
    return path


def _page(verdict: Verdict) -> Iterator[str]:
    yield f"## {'✅ passed' if verdict.passed else '❌ failed'}: fedleak check {code(str(verdict.run))}"
    for problem in verdict.problems:
        yield from ("", f"**{escaped(problem)}**")
    if verdict.rules:
        yield from _rules(verdict)
    for rule in verdict.rules:
        if not rule.passed:
            yield from _broken(rule)
    if verdict.baseline is not None:
        yield from _baseline(verdict.baseline)
    if verdict.failed_messages:
        yield from (
            "",
            "Messages without a figure:",
            "",
            *(f"- {escaped(line)}" for line in verdict.failed_messages[:ROWS]),
        )


def _rules(verdict: Verdict) -> Iterator[str]:
    yield from ("", "| | rule | groups | broken in |", "| --- | --- | ---: | ---: |")
    for one in verdict.rules:
        text = _code_cell(one.rule.text)
        name = text if one.rule.name == one.rule.text else f"{escaped(one.rule.name)}: {text}"
        mark = "✅" if one.passed else "❌"
        yield f"| {mark} | {name} | {len(one.findings)} | {len(one.broken)} |"
    notes = [f"- rule {one.rule.number}: {escaped(note)}" for one in verdict.rules for note in one.notes]
    if notes:
        yield from ("", *notes)


def _broken(verdict: RuleVerdict) -> Iterator[str]:
    yield from ("", f"### ❌ {escaped(verdict.rule.label)}: {code(verdict.rule.text)}")
    if verdict.rule.because:
        yield from ("", escaped(verdict.rule.because))
    if verdict.problem:
        yield from ("", escaped(verdict.problem))
        return
    beside = " | ".join(name.replace("-", " ") for name in BASELINES)
    yield from ("", f"| where | why | figure | 95% interval | bound | {beside} | messages | seeds | picture |")
    yield f"| --- | --- | ---: | --- | ---: |{' ---: |' * len(BASELINES)} ---: | ---: | --- |"
    yield from (_row(finding) for finding in verdict.broken[:ROWS])
    if len(verdict.broken) > ROWS:
        yield from ("", f"and {len(verdict.broken) - ROWS} more groups")


def _row(finding: Finding) -> str:
    measurement = finding.measurement
    interval = (
        "none"
        if measurement.interval is None
        else f"{number(measurement.interval.low)} to {number(measurement.interval.high)}"
    )
    cells = [
        str(measurement.group),
        "; ".join((finding.problem, *finding.notes)),
        figure(measurement.value, measurement.unit, finding.bound),
        interval,
        number(finding.bound),
        *(number(measurement.baselines[name]) if name in measurement.baselines else "" for name in BASELINES),
        str(measurement.messages),
        str(measurement.seeds),
    ]
    picture = finding.picture
    shown = _code_cell(str(picture.path)) if picture and picture.path else escaped(str(picture or ""))
    return f"| {' | '.join([*map(escaped, cells), shown])} |"


def _baseline(baseline: BaselineVerdict) -> Iterator[str]:
    broken = baseline.regressions
    yield from ("", f"### {'✅' if baseline.passed else '❌'} against the baseline {code(str(baseline.old))}", "")
    groups = counted(len(baseline.changes) + baseline.unchanged, "group")
    tested = f"{baseline.undecided} could not be tested, {baseline.unchanged} unchanged"
    yield f"{groups} compared, {len(broken)} leak more (beyond noise: p < {baseline.alpha:g}), {tested}."
    if baseline.problem:
        yield from ("", f"**{escaped(baseline.problem)}**")
    if broken:
        yield from ("", "| where | metric | why | before | now | difference | 95% interval | p |")
        yield "| --- | --- | --- | ---: | ---: | ---: | --- | --- |"
    yield from (_change(change) for change in broken[:ROWS])
    if baseline.differences:
        allowed = "allowed by `--allow-changes`" if baseline.allow_changes else "allow them with `--allow-changes`"
        yield from ("", f"What makes the two less comparable ({allowed}):", "")
    yield from (f"- {escaped(difference)}" for difference in baseline.differences[:ROWS])
    if baseline.new_figures:
        yield from ("", "New figures, not compared:", "")
    yield from (f"- {escaped(new_figures_text(figures))}" for figures in baseline.new_figures[:ROWS])


def _change(change: Change) -> str:
    own = change.comparison
    values = (figure(change.old, change.unit), figure(change.new, change.unit), signed(own.difference))
    interval = f"{number(own.interval.low)} to {number(own.interval.high)}"
    group = (str(change.measurement.group), own.group.metric, change.problem)
    return f"| {' | '.join(map(escaped, (*group, *values, interval, p_text(own.p_value))))} |"


def _code_cell(text: str) -> str:
    return code(text).replace("|", "\\|")
