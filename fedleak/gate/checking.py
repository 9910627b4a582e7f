"""Checks a run: every rule, the comparison with a baseline, and whether the run is whole."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from fedleak.analysis.analysis import Analysis
from fedleak.gate import evidence, regression
from fedleak.gate.completeness import nothing_measured, unfinished
from fedleak.gate.crashes import Crashes
from fedleak.gate.federations import evaluated_in
from fedleak.gate.judging import judge
from fedleak.gate.measurement import Measurement
from fedleak.gate.measuring import Measured, failed_messages
from fedleak.gate.policy import Policy
from fedleak.gate.selection import reasons_text
from fedleak.gate.subject import Subject
from fedleak.gate.verdict import BaselineVerdict, Change, Finding, NewFigures, Picture, RuleVerdict, Verdict
from fedleak.gate.vocabulary import Vocabulary, check
from fedleak.runs.reading import FinishedRun

ALPHA = 0.05
"""How often chance alone may call something a regression, over all groups and metrics together."""
DRAWN = 20
"""Groups of a rule that get a picture; a picture takes a tenth of a second."""
Shown = TypeVar("Shown", Finding, Change, NewFigures)


def check_run(
    run: FinishedRun,
    analysis: Analysis,
    policy: Policy | None,
    *,
    baseline: FinishedRun | None = None,
    alpha: float = ALPHA,
    allow_unfinished: bool = False,
    allow_changes: bool = False,
) -> Verdict:
    """The verdict on a run, with pictures of what broke a rule; raises `UserError` where the input is at fault."""
    if policy is not None:
        check(policy, Vocabulary.of(run.campaign))
    measured = Measured(
        analysis.rows, analysis.summaries, analysis.federations, Crashes(run.folder), evaluated_in(run.campaign)
    )
    old = None
    if baseline is not None:
        old = regression.compare_with(run, baseline, alpha, allow_changes=allow_changes)
    evidence.clear(run.folder)
    return Verdict(
        run=run.folder.root,
        policy=policy,
        rules=() if policy is None else _judged(run, policy, measured),
        baseline=None if old is None else _regressions_pictured(run, old),
        problems=(*nothing_measured(run), *(() if allow_unfinished else unfinished(run))),
        failed_messages=_failed_messages(measured),
    )


def _judged(run: FinishedRun, policy: Policy, measured: Measured) -> tuple[RuleVerdict, ...]:
    return tuple(_pictured_rule(run, judge(rule, measured, policy.decide_by)) for rule in policy.rules)


def _pictured_rule(run: FinishedRun, verdict: RuleVerdict) -> RuleVerdict:
    kept = [finding for finding in verdict.findings if finding.passed]
    says = verdict.rule.assertion
    what = f"{verdict.rule.label}: not {says.figure} {says.operator} {says.bound}"
    broken = _pictured(run, verdict.broken, f"rule-{verdict.rule.number}", what)
    return replace(verdict, findings=(*broken, *kept))


def _regressions_pictured(run: FinishedRun, baseline: BaselineVerdict) -> BaselineVerdict:
    quiet = [change for change in baseline.changes if not change.regressed]
    harmless = [figures for figures in baseline.new_figures if not figures.leaked]
    regressions = [
        _pictured(run, [change], f"baseline-{metric}", f"{metric} leaks more than in the baseline")[0]
        for change in baseline.regressions
        for metric in [change.comparison.group.metric]
    ]
    leaks = [
        _pictured(run, [figures], f"new-{figures.metric}", f"{figures.metric} had no figure in the baseline")[0]
        for figures in baseline.leaks
    ]
    return replace(baseline, changes=(*regressions, *quiet), new_figures=(*leaks, *harmless))


def _pictured(run: FinishedRun, shown: Sequence[Shown], name: str, what: str) -> list[Shown]:
    def picture(place: int, measurement: Measurement) -> Picture:
        if place >= DRAWN:
            return Picture(reason=f"only the {DRAWN} worst groups are drawn")
        return evidence.picture(run.folder, name, what, measurement)

    return [replace(one, picture=picture(place, one.measurement)) for place, one in enumerate(shown)]


def _failed_messages(measured: Measured) -> tuple[str, ...]:
    return tuple(
        f"{Subject(**variant._asdict())}: {reasons_text(failed.items())}"
        for variant, rows in measured.variants.items()
        if (failed := failed_messages(rows))
    )
