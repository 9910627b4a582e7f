"""Aggregation: the samples of a group, or the seeds of a federation, as one figure with its interval."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from fedleak.accounting.guarantee import DELTA, Unproven
from fedleak.analysis.conditions import Condition
from fedleak.analysis.guarantees import Proofs
from fedleak.experiment.campaign import Campaign
from fedleak.gate.measurement import MeasuredGroup, Measurement
from fedleak.gate.rule import Aggregate, AggregateName
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import setting_key
from fedleak.statistics.intervals import Interval, Units, counted, of_mean
from fedleak.statistics.quantiles import percentile_interval
from fedleak.statistics.samples import Samples, share_beyond
from fedleak.statistics.summary import Summary

Aggregated = tuple[float, Interval | None]
Evaluated = Callable[[FederationRow], bool]
"""Whether the round of a row should have been evaluated."""
Name = Literal["accuracy", "loss"]
UNITS: dict[Name, str] = {"accuracy": "share of the test split", "loss": ""}
BOUNDS: dict[Name, tuple[float, float]] = {"accuracy": (0.0, 1.0), "loss": (0.0, math.inf)}
UNDEFENDED = Unproven("there is no defense")
UNEVALUATED = "no round was evaluated; set federation.fraction_evaluate or utility.rounds"


def aggregated(aggregate: Aggregate, summary: Summary, rows: Sequence[Row]) -> Aggregated:
    """The figure, NaN where nothing was measured, and its interval; none for an extreme, which is what was seen."""
    of: dict[AggregateName, Callable[[], Aggregated]] = {
        "mean": lambda: (summary.mean, summary.interval),
        "median": lambda: _percentile(50.0, summary, rows),
        "percentile": lambda: _percentile(aggregate.number or 0.0, summary, rows),
        "min": lambda: (min(summary.samples, default=math.nan), None),
        "max": lambda: (max(summary.samples, default=math.nan), None),
        "worst": lambda: (summary.worst_case, None),
        "share": lambda: _share(aggregate.number, summary, rows),
    }
    return of[aggregate.name]()


def _percentile(percentile: float, summary: Summary, rows: Sequence[Row]) -> Aggregated:
    value = float(np.percentile(summary.samples, percentile)) if summary.samples else math.nan
    return value, percentile_interval(rows, percentile)


def _share(threshold: float | None, summary: Summary, rows: Sequence[Row]) -> Aggregated:
    if threshold is None:
        return summary.share, summary.share_interval
    return share_beyond(rows, Samples.of(rows), threshold)


def always(row: FederationRow) -> bool:  # noqa: ARG001
    """Every round should have been."""
    return True


def evaluated_in(campaign: Campaign) -> Evaluated:
    """By `federation.fraction_evaluate` and `utility.rounds` of the point that a row belongs to."""
    shares = {
        (point.experiment.task.label, setting_key(point.setting), point.experiment.seed): (
            point.experiment.federation.fraction_evaluate + point.experiment.utility.rounds
        )
        for point in campaign.points
    }
    return lambda row: shares.get((row.task, setting_key(row.setting), row.seed), 0.0) > 0


def measure_federations(name: Name, rows: Sequence[FederationRow], evaluated: Evaluated) -> list[Measurement]:
    """For each task, setting and defense the mean over seeds of the last round; no earlier round stands in for it."""
    last: dict[MeasuredGroup, dict[int, FederationRow]] = {}
    for row in sorted(rows, key=lambda row: row.round):
        if row.split == "test":
            setting = setting_key(row.setting)
            last.setdefault(MeasuredGroup(task=row.task, setting=setting, defense=row.defense), {})[row.seed] = row
    return [_over_seeds(name, group, list(own.values()), evaluated) for group, own in last.items()]


def measure_epsilons(rows: Sequence[FederationRow], proofs: Proofs) -> list[Measurement]:
    """For each task, setting and defense what is proved of the whole run, at delta 1e-5; infinity for nothing.

    Why nothing is proved is a problem of the figure: no bound makes up for that.
    """
    groups: dict[MeasuredGroup, set[int]] = {}
    for row in rows:
        if row.split == "test":
            group = MeasuredGroup(task=row.task, setting=setting_key(row.setting), defense=row.defense)
            groups.setdefault(group, set()).add(row.seed)
    return [_proved(group, len(seeds), proofs) for group, seeds in groups.items()]


def _proved(group: MeasuredGroup, seeds: int, proofs: Proofs) -> Measurement:
    found = proofs.get((Condition(task=group.task, setting=group.setting), group.defense), UNDEFENDED)
    return Measurement(
        group=group,
        value=math.inf if isinstance(found, Unproven) else found.epsilon(DELTA),
        unit="" if isinstance(found, Unproven) else f"at delta {DELTA:g}, {found.terms(DELTA)}",
        interval=None,
        messages=0,
        seeds=seeds,
        problem=f"nothing is proved: {found.reason}" if isinstance(found, Unproven) else "",
    )


def _over_seeds(name: Name, group: MeasuredGroup, rows: Sequence[FederationRow], evaluated: Evaluated) -> Measurement:
    values = [getattr(row, name) for row in rows]
    broken = [row for row, value in zip(rows, values, strict=True) if not math.isfinite(value)]
    finite = [] if broken else values
    meant = [row for row in broken if evaluated(row)]
    units = Units(name="seed", totals=np.array(finite, dtype=float), sizes=np.ones(len(finite)))
    return Measurement(
        group=group,
        value=math.fsum(finite) / len(finite) if finite else math.nan,
        unit=UNITS[name],
        interval=of_mean(units, BOUNDS[name]),
        messages=0,
        seeds=len(finite),
        failures={UNEVALUATED: len(broken)} if broken and not meant else {},
        problem=_problem(name, meant, len(rows)) if meant else "",
    )


def _problem(name: Name, broken: Sequence[FederationRow], seeds: int) -> str:
    first = broken[0]
    failed = f", where {counted(first.failures, 'client')} sent nothing" if first.failures else ""
    where = f"{len(broken)} of {counted(seeds, 'seed')}, first: seed {first.seed}, round {first.round}{failed}"
    return f"the last round has no finite {name} in {where}"
