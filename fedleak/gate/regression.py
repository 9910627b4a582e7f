"""Compares a run with an older one: which groups leak more now, beyond noise, and what cannot be compared any more."""

import math
from collections.abc import Sequence
from pathlib import Path

from fedleak.analysis.judgement import BASELINES
from fedleak.errors import DataError
from fedleak.gate.differences import differences
from fedleak.gate.losses import Groups, figures_of, losses, new_figures
from fedleak.gate.measurement import Measurement
from fedleak.gate.measuring import Message, message_of
from fedleak.gate.subject import Subject
from fedleak.gate.verdict import BaselineVerdict, Change
from fedleak.gate.words import figure
from fedleak.results.row import Row
from fedleak.runs.reading import FinishedRun
from fedleak.statistics.group import Group, group_rows, installed
from fedleak.statistics.intervals import counted
from fedleak.statistics.paired_tests import ROUNDING, Comparison, compare_runs


def compare_with(run: FinishedRun, baseline: FinishedRun, alpha: float, *, allow_changes: bool) -> BaselineVerdict:
    """The verdict against an older run; raises `DataError` where the two have nothing in common."""
    changed = differences(run.campaign.tree, baseline.campaign.tree)
    if baseline.unfinished:
        cells = f"{baseline.unfinished} of {baseline.manifest.cells_planned} cells have not run"
        changed.append(f"the baseline is not finished: {cells}")
    root = baseline.folder.root
    return compare(run.rows, baseline.rows, root, alpha, changed=changed, allow_changes=allow_changes)


def compare(
    new: Sequence[Row],
    old: Sequence[Row],
    path: Path,
    alpha: float,
    *,
    changed: Sequence[str] = (),
    allow_changes: bool = False,
) -> BaselineVerdict:
    """The same from the rows; `changed` says how the two experiments differ.

    Where every message has the figure that it had there is nothing to test, and so such groups do not count in the
    correction for many tests: else one change would have to be the surer, the more was left alone.
    """
    news, olds = group_rows(_looking(new)), group_rows(_looking(old))
    if not _in_common(news, olds):
        differ = f"; {changed[0]}" if changed else ""
        raise DataError(
            f"the baseline {path} has no cell in common with this run; "
            f"expected a run of the same task, defenses, attacks and seeds{differ}"
        )
    same = {group for group in news if group in olds and _unchanged(news[group], olds[group])}
    compared = compare_runs(_without(same, news), _without(same, olds))
    changes = [_change(one, news[one.group], olds[one.group], alpha) for one in compared if one.pairs]
    return BaselineVerdict(
        old=path,
        alpha=alpha,
        changes=tuple(sorted(changes, key=_severity)),
        unchanged=len(same),
        new_groups=sum(bool(figures_of(rows)) for group, rows in news.items() if group not in olds),
        new_figures=tuple(new_figures(news, olds)),
        differences=(*changed, *losses(news, olds)),
        allow_changes=allow_changes,
    )


def _looking(rows: Sequence[Row]) -> list[Row]:
    """Test rows of attacks that look at the update: what others guess is no leakage."""
    return [row for row in rows if row.split == "test" and row.algorithm not in BASELINES]


def _unchanged(new: Sequence[Row], old: Sequence[Row]) -> bool:
    news, olds = figures_of(new), figures_of(old)
    both = news.keys() & olds.keys()
    return bool(both) and all(math.isclose(news[one], olds[one], rel_tol=ROUNDING) for one in both)


def _without(groups: set[Group], rows: Groups) -> list[Row]:
    return [row for group, own in rows.items() if group not in groups for row in own]


def _in_common(news: Groups, olds: Groups) -> bool:
    return any({*map(message_of, rows)} & {*map(message_of, olds.get(group, ()))} for group, rows in news.items())


def _severity(change: Change) -> tuple[bool, float]:
    """Sorts changes: regressions first, the surest first."""
    p_value = change.comparison.p_value
    return (not change.regressed, math.inf if math.isnan(p_value) else p_value)


def _change(comparison: Comparison, new: Sequence[Row], old: Sequence[Row], alpha: float) -> Change:
    new_figures, old_figures = figures_of(new), figures_of(old)
    both = [message for message in new_figures if message in old_figures]
    return Change(
        comparison=comparison,
        unit=new[0].unit,
        old=math.fsum(old_figures[message] for message in both) / len(both),
        new=math.fsum(new_figures[message] for message in both) / len(both),
        problem=_problem(comparison, new[0], alpha),
        measurement=_measurement(comparison.group, new, both, math.fsum(new_figures.values()) / len(new_figures)),
    )


def _problem(comparison: Comparison, row: Row, alpha: float) -> str:
    """Why a change fails: chance hardly explains it or, where nobody can tell, it is too large to be let through."""
    more = comparison.difference if row.higher_is_better else -comparison.difference
    if math.isnan(comparison.p_value):
        pairs = counted(comparison.pairs, "pair")
        return (
            f"could not be tested ({pairs}), but leaks {figure(more, row.unit)} more"
            if more > _margin(row.metric)
            else ""
        )
    return "leaks more, beyond noise" if more > 0 and comparison.p_value < alpha else ""


def _margin(metric: str) -> float:
    known = installed(metric)
    return known.margin if known else 0.0  # of a metric that is not installed here nobody knows how much is little


def _measurement(group: Group, rows: Sequence[Row], both: Sequence[Message], mean: float) -> Measurement:
    return Measurement(
        subject=Subject(**group.variant._asdict()),
        value=mean,
        unit=rows[0].unit,
        interval=None,
        messages=len(both),
        seeds=len({seed for seed, _, _ in both}),
        rows=tuple(rows),
    )
