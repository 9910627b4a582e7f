"""The gate: judges every rule, compares with a baseline, and asks whether the run is whole."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from fedleak.analysis.analysis import Analysis
from fedleak.analysis.guarantees import whole_guarantees_of
from fedleak.analysis.judgement import BASELINES
from fedleak.analysis.refusals import nothing_left
from fedleak.errors import BoundError
from fedleak.experiment.experiment import Experiment, unlabeled
from fedleak.experiment.servers import fits_server
from fedleak.gate import pictures
from fedleak.gate.baseline import compare_with
from fedleak.gate.figures import evaluated_in
from fedleak.gate.judge import judge
from fedleak.gate.measure import Crashes, Measured, failed_messages, masked_in
from fedleak.gate.measurement import MeasuredGroup, Measurement
from fedleak.gate.policy import Policy
from fedleak.gate.sentences import reasons_text
from fedleak.gate.validation import Vocabulary, validate
from fedleak.gate.verdict import BaselineVerdict, Change, Finding, NewFigures, Picture, RuleVerdict, Verdict
from fedleak.results.schema import setting_key
from fedleak.runs.reading import FinishedRun
from fedleak.settings.base import Scalar

ALPHA = 0.05
"""How often chance alone may call something a regression, over all groups and metrics together."""
DRAWN = 20
"""Groups of a rule that get a picture; a picture takes a tenth of a second."""
NAMED = 3
"""Federations, or reasons, that a sentence names."""
Shown = TypeVar("Shown", Finding, Change, NewFigures)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is held to a policy: a run, or the audit of an app."""

    root: Path
    vocabulary: Vocabulary
    measured: Measured
    problems: tuple[str, ...]
    """What makes it fail whatever the rules say, a sentence each."""
    picture: Callable[[str, str, Measurement], Picture]
    """The picture of what leaked most of a measurement, from a name for its file and what it shows."""


def check(subject: Subject, policy: Policy | None, baseline: BaselineVerdict | None = None) -> Verdict:
    """The verdict, with pictures of what broke a rule; raises `UserError` where the policy is at fault."""
    if policy is not None:
        validate(policy, subject.vocabulary)
    return Verdict(
        run=subject.root,
        policy=policy,
        rules=() if policy is None else _judged(subject, policy),
        baseline=None if baseline is None else _regressions_pictured(subject, baseline),
        problems=subject.problems,
        failed_messages=_failed_messages(subject.measured),
    )


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
    vocabulary = Vocabulary.of(run.campaign)
    if policy is not None:
        validate(policy, vocabulary)  # before the baseline is compared with, and pictures of before are deleted
    old = None
    if baseline is not None:
        old = compare_with(run, baseline, alpha, allow_changes=allow_changes)
    pictures.clear(run.folder)
    measured = Measured(
        analysis.rows,
        analysis.summaries,
        analysis.federations,
        Crashes(run.folder),
        evaluated_in(run.campaign),
        whole_guarantees_of(run.campaign),
        run.audits,
        masked_in(run.campaign),
    )
    subject = Subject(
        root=run.folder.root,
        vocabulary=vocabulary,
        measured=measured,
        problems=(*_nothing_measured(run), *_beyond_chance(analysis), *(() if allow_unfinished else _unfinished(run))),
        picture=partial(pictures.picture, run),
    )
    return check(subject, policy, old)


def _judged(subject: Subject, policy: Policy) -> tuple[RuleVerdict, ...]:
    return tuple(_pictured_rule(subject, judge(rule, subject.measured, policy.decide_by)) for rule in policy.rules)


def _pictured_rule(subject: Subject, verdict: RuleVerdict) -> RuleVerdict:
    kept = [finding for finding in verdict.findings if finding.passed]
    assertion = verdict.rule.assertion
    what = f"{verdict.rule.label}: not {assertion.figure} {assertion.operator} {assertion.bound}"
    broken = _pictured(subject, verdict.broken, f"rule-{verdict.rule.number}", what)
    return replace(verdict, findings=(*broken, *kept))


def _regressions_pictured(subject: Subject, baseline: BaselineVerdict) -> BaselineVerdict:
    quiet = [change for change in baseline.changes if not change.regressed]
    harmless = [figures for figures in baseline.new_figures if not figures.leaked]
    regressions = [
        _pictured(subject, [change], f"baseline-{metric}", f"{metric} leaks more than in the baseline")[0]
        for change in baseline.regressions
        for metric in [change.comparison.group.metric]
    ]
    leaks = [
        _pictured(subject, [figures], f"new-{figures.metric}", f"{figures.metric} had no figure in the baseline")[0]
        for figures in baseline.leaks
    ]
    return replace(baseline, changes=(*regressions, *quiet), new_figures=(*leaks, *harmless))


def _pictured(subject: Subject, shown: Sequence[Shown], name: str, what: str) -> list[Shown]:
    def picture(place: int, measurement: Measurement) -> Picture:
        if place >= DRAWN:
            return Picture(reason=f"only the {DRAWN} worst groups are drawn")
        return subject.picture(name, what, measurement)

    return [replace(one, picture=picture(place, one.measurement)) for place, one in enumerate(shown)]


def _failed_messages(measured: Measured) -> tuple[str, ...]:
    return tuple(
        f"{MeasuredGroup(**variant._asdict())}: {reasons_text(failed.items())}"
        for variant, rows in measured.variants.items()
        if (failed := failed_messages(rows))
    )


def _nothing_measured(run: FinishedRun) -> list[str]:
    """A sentence where no attack that looks at an update has a figure."""
    if any(math.isfinite(row.value) for row in run.rows if row.split == "test" and row.algorithm not in BASELINES):
        return []
    if run.rows and nothing_left([row for row in run.rows if row.split == "test"], run.federations):
        return []
    reasons = Counter(row.reason or "no reason given" for row in run.rows if not math.isfinite(row.value))
    why = reasons_text(reasons.most_common(NAMED)) if reasons else f"only {' and '.join(BASELINES)} attacked"
    return [f"no cell of this run has a figure from an update, so nothing was shown: {why}"]


def _beyond_chance(analysis: Analysis) -> list[str]:
    """Sentences for readouts that gave back more than there is to read: their figures are no evidence."""
    sentences = []
    for bound in analysis.singleton_bounds:
        try:
            bound.require()
        except BoundError as error:
            sentences.append(f"{bound.where}: {error}")
    return sentences


def _unfinished(run: FinishedRun) -> list[str]:
    """Sentences for cells that have not run, and for federations that left nothing to attack."""
    sentences = []
    if run.unfinished:
        sentences.append(
            f"{run.unfinished} of {run.manifest.cells_planned} cells have not run; "
            "finish the run, or judge what there is with --allow-unfinished"
        )
    silent = _silent_federations(run)
    if silent and not run.unfinished:
        names = ", ".join(silent[:NAMED]) + (f" and {len(silent) - NAMED} more" if len(silent) > NAMED else "")
        sentences.append(
            f"{len(silent)} of the run's federations left nothing to attack: {names}; "
            "see what went wrong there, or judge what there is with --allow-unfinished"
        )
    return sentences


def _silent_federations(run: FinishedRun) -> list[str]:
    heard = {(_federation(row.task, row.setting, row.defense), row.seed) for row in run.rows}
    expected = [
        (_federation(point.experiment.task.label, point.setting, defense.name), point.experiment.seed)
        for point in run.campaign.points
        for defense in point.experiment.defenses
        if point.split == "test" and _attacked(point.experiment)
    ]
    return [f"{group}, seed {seed}" for group, seed in expected if (group, seed) not in heard]


def _attacked(experiment: Experiment) -> bool:
    """Whether some attack fits: one that reads what a server plants has nothing to read of an honest one."""
    server, last = experiment.server, experiment.federation.rounds
    return any(fits_server(unlabeled(table), server, last) for table in experiment.attacks)


def _federation(task: str, setting: Mapping[str, Scalar], defense: str) -> MeasuredGroup:
    return MeasuredGroup(task=task, setting=setting_key(setting), defense=defense)
