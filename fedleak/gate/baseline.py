"""Baseline comparison: what leaks more than in an older run, beyond noise; missing figures; differing settings."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fedleak.analysis.judgement import BASELINES
from fedleak.errors import DataError
from fedleak.gate.measure import Message, message_of
from fedleak.gate.measurement import MeasuredGroup, Measurement, baselines_of
from fedleak.gate.rule import number_text
from fedleak.gate.sentences import figure, reasons_text
from fedleak.gate.verdict import BaselineVerdict, Change, NewFigures
from fedleak.results.row import Row
from fedleak.runs.reading import FinishedRun
from fedleak.settings.base import Table
from fedleak.statistics.group import Group, group_rows, installed
from fedleak.statistics.intervals import counted
from fedleak.statistics.paired_tests import ROUNDING, Comparison, compare_runs
from fedleak.statistics.summary import summary_of

FREE = ("name", "seed", "defenses")
"""What may differ between a run and its baseline."""
ABSENT = "nothing"
"""In the place of a setting that only the other run has."""
Groups = Mapping[Group, Sequence[Row]]


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
        differences=(*changed, *missing_figures(news, olds)),
        allow_changes=allow_changes,
    )


def differences(new: Table, old: Table) -> list[str]:
    """A clause for each setting that differs: `attacks.0.steps: 60 in the baseline, 1 here`."""
    here, there = dict(_leaves(_compared(new))), dict(_leaves(_compared(old)))
    return [
        f"{key}: {there.get(key, ABSENT)} in the baseline, {here.get(key, ABSENT)} here"
        for key in dict.fromkeys((*there, *here))
        if here.get(key, ABSENT) != there.get(key, ABSENT)
    ]


def figures_of(rows: Sequence[Row]) -> dict[Message, float]:
    """The figure of each message that has one."""
    return {message_of(row): row.value for row in rows if math.isfinite(row.value)}


def missing_figures(news: Groups, olds: Groups) -> Iterator[str]:
    """A clause for each group whose figures are gone, all or some; seeds that this run does not have are left out."""
    seeds = {row.seed for rows in news.values() for row in rows}
    for group, old in olds.items():
        name = f"{group.metric} of {MeasuredGroup(**group.variant._asdict())}"
        if group not in news and any(row.applicable for row in old):
            yield f"{name}: in the baseline and not in this run"
        elif group in news:
            had = [message for message in figures_of(old) if message[0] in seeds]
            missing = set(had) - figures_of(news[group]).keys()
            if missing:
                yield f"{name}: {_missing(len(missing), len(had), _reasons(news[group], missing))}"


def new_figures(news: Groups, olds: Groups) -> list[NewFigures]:
    """What came to nothing in the baseline and has a figure now, group by group, those that leaked first."""
    found = []
    for group in news:
        failed = {message_of(row) for row in olds.get(group, ()) if not math.isfinite(row.value)}
        rows = [row for row in news[group] if message_of(row) in failed and math.isfinite(row.value)]
        if rows:
            found.append(_new_figures(group, rows))
    return sorted(found, key=lambda one: -one.leaked)


def _looking(rows: Sequence[Row]) -> list[Row]:
    """Test rows of attacks that look at the update: what others guess is no leakage."""
    return [row for row in rows if row.split == "test" and row.algorithm not in BASELINES]


def _in_common(news: Groups, olds: Groups) -> bool:
    return any({*map(message_of, rows)} & {*map(message_of, olds.get(group, ()))} for group, rows in news.items())


def _unchanged(new: Sequence[Row], old: Sequence[Row]) -> bool:
    news, olds = figures_of(new), figures_of(old)
    both = news.keys() & olds.keys()
    return bool(both) and all(math.isclose(news[one], olds[one], rel_tol=ROUNDING) for one in both)


def _without(groups: set[Group], rows: Groups) -> list[Row]:
    return [row for group, own in rows.items() if group not in groups for row in own]


def _change(comparison: Comparison, new: Sequence[Row], old: Sequence[Row], alpha: float) -> Change:
    now, before = figures_of(new), figures_of(old)
    both = [message for message in now if message in before]
    return Change(
        comparison=comparison,
        unit=new[0].unit,
        old=math.fsum(before[message] for message in both) / len(both),
        new=math.fsum(now[message] for message in both) / len(both),
        problem=_problem(comparison, new[0], alpha),
        tested=comparison.can_show(alpha),
        measurement=_measurement(comparison.group, new, both, math.fsum(now.values()) / len(now)),
    )


def _problem(comparison: Comparison, row: Row, alpha: float) -> str:
    """Why a change fails: chance hardly explains it or, where nobody can tell, it is too large to be let through."""
    more = comparison.difference if row.higher_is_better else -comparison.difference
    if not comparison.can_show(alpha):
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
        group=MeasuredGroup(**group.variant._asdict()),
        value=mean,
        unit=rows[0].unit,
        interval=None,
        messages=len(both),
        seeds=len({seed for seed, _, _ in both}),
        rows=tuple(rows),
    )


def _severity(change: Change) -> tuple[bool, float]:
    """Sorts changes: regressions first, the surest first."""
    p_value = change.comparison.p_value
    return (not change.regressed, math.inf if math.isnan(p_value) else p_value)


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The values of a tree by dotted key; a list of plain values is one value."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list | tuple) and any(isinstance(item, dict) for item in node):
        for place, item in enumerate(node):
            yield from _leaves(item, f"{path}.{place}")
    else:
        yield path, _text(node)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return number_text(float(value)) if isinstance(value, int | float) else str(value) or "''"


def _compared(tree: Table) -> Table:
    """The tree without what may differ, there and among what `[[vary]]` changes; combinations by name, not by place."""
    plain = {key: value for key, value in tree.items() if key not in (*FREE, "vary")}
    for entry in tree.get("vary", ()):
        plain[f"vary.{entry['name']}"] = {key: value for key, value in entry.items() if key not in FREE}
    return plain


def _missing(missing: int, had: int, why: str) -> str:
    if missing == had:
        return f"{counted(had, 'message')} had a figure in the baseline and none has one now ({why})"
    return f"{missing} of {had} messages that had a figure in the baseline have none now ({why})"


def _reasons(rows: Sequence[Row], messages: set[Message]) -> str:
    reasons = {message_of(row): row.reason or "no reason given" for row in rows}
    return reasons_text(Counter(reasons.get(message, "not attacked") for message in messages).items())


def _new_figures(group: Group, rows: Sequence[Row]) -> NewFigures:
    summary = summary_of(group, rows)
    measurement = Measurement(
        group=MeasuredGroup(**group.variant._asdict()),
        value=summary.mean,
        unit=summary.unit,
        interval=summary.interval,
        baselines=baselines_of(summary),
        messages=summary.messages,
        seeds=summary.seeds,
        rows=tuple(rows),
    )
    return NewFigures(measurement=measurement, metric=group.metric, leaked=summary.leaked)
