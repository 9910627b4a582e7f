"""What makes a run fail a gate whatever the rules say: what was not measured may leak."""

import math
from collections import Counter

from fedleak.analysis.judgement import BASELINES
from fedleak.gate.selection import reasons_text
from fedleak.gate.subject import Subject
from fedleak.results.row import Row
from fedleak.results.setting import setting_key
from fedleak.runs.reading import FinishedRun

NAMED = 3
"""Federations that a sentence names."""


def nothing_measured(run: FinishedRun) -> list[str]:
    """A sentence where no attack that looks at an update has a figure."""
    if any(math.isfinite(row.value) for row in run.rows if row.split == "test" and row.algorithm not in BASELINES):
        return []
    reasons = Counter(row.reason or "no reason given" for row in run.rows if not math.isfinite(row.value))
    why = reasons_text(reasons.most_common(NAMED)) if reasons else f"only {' and '.join(BASELINES)} attacked"
    return [f"no cell of this run has a figure from an update, so nothing was shown: {why}"]


def unfinished(run: FinishedRun) -> list[str]:
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
    heard = {(_federation(row), row.seed) for row in run.rows}
    expected = [
        (Subject(task=point.experiment.task, setting=setting_key(point.setting), defense=row.name), point)
        for point in run.campaign.points
        for row in point.experiment.defenses
        if point.experiment.attacks and point.split == "test"
    ]
    return [
        f"{subject}, seed {point.experiment.seed}"
        for subject, point in expected
        if (subject, point.experiment.seed) not in heard
    ]


def _federation(row: Row) -> Subject:
    return Subject(task=row.task, setting=setting_key(row.setting), defense=row.defense)
