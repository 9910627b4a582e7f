"""Compares a run with an older one: which groups leak more now, beyond noise."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from fedleak.errors import DataError
from fedleak.gate.measurement import Measurement
from fedleak.gate.subject import Subject
from fedleak.gate.verdict import BaselineVerdict, Change
from fedleak.results import Row
from fedleak.statistics.comparison import Comparison, compare_runs
from fedleak.statistics.group import Group, group_rows

Message = tuple[int, int, object]
"""Seed, round and sender."""


def compare(new: Sequence[Row], old: Sequence[Row], path: Path, alpha: float) -> BaselineVerdict:
    """The verdict against the older run that `path` holds; raises `DataError` where nothing can be compared."""
    news, olds = (group_rows(row for row in rows if row.split == "test") for rows in (new, old))
    compared = [one for one in compare_runs(new, old) if one.pairs]
    if not compared:
        raise DataError(
            f"the baseline {path} has no cell in common with this run; "
            "expected a run of the same task, defenses, attacks and seeds"
        )
    changes = [_change(one, news[one.group], olds[one.group], alpha) for one in compared]
    groups = {one.group for one in compared}
    return BaselineVerdict(
        old=path,
        alpha=alpha,
        changes=tuple(sorted(changes, key=_severity)),
        new_groups=sum(bool(_figures(rows)) for group, rows in news.items() if group not in groups),
        undecided=sum(math.isnan(one.p_value) for one in compared),
    )


def _severity(change: Change) -> tuple[bool, float]:
    """Sorts changes: regressions first, the surest first."""
    p_value = change.comparison.p_value
    return (not change.regressed, math.inf if math.isnan(p_value) else p_value)


def _change(comparison: Comparison, new: Sequence[Row], old: Sequence[Row], alpha: float) -> Change:
    new_figures, old_figures = _figures(new), _figures(old)
    both = [message for message in new_figures if message in old_figures]
    more = comparison.difference if new[0].higher_is_better else -comparison.difference
    return Change(
        comparison=comparison,
        unit=new[0].unit,
        old=math.fsum(old_figures[message] for message in both) / len(both),
        new=math.fsum(new_figures[message] for message in both) / len(both),
        regressed=more > 0 and comparison.p_value < alpha,
        measurement=_measurement(comparison.group, new, both, math.fsum(new_figures.values()) / len(new_figures)),
    )


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


def _figures(rows: Sequence[Row]) -> Mapping[Message, float]:
    return {(row.seed, row.round, row.client): row.value for row in rows if math.isfinite(row.value)}
