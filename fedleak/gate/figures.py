"""Aggregation: the samples or messages of a group, or the seeds of a federation, as one figure with its interval."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from fedleak.accounting.guarantee import DELTA, Unproven
from fedleak.analysis.conditions import Condition
from fedleak.analysis.guarantees import Proofs
from fedleak.experiment.campaign import Campaign
from fedleak.gate.measurement import MeasuredGroup, Measurement
from fedleak.gate.rule import Aggregate, AggregateName
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import BESIDE, Row
from fedleak.results.schema import setting_key
from fedleak.statistics.intervals import Interval, Units, counted, of_mean
from fedleak.statistics.quantiles import percentile_interval
from fedleak.statistics.samples import Samples, share_beyond
from fedleak.statistics.summary import Summary, summary_of

Aggregated = tuple[float, Interval | None]
Evaluated = Callable[[FederationRow], bool]
"""Whether the round of a row should have been evaluated."""
Name = Literal["accuracy", "loss"]
UNITS: dict[Name, str] = {"accuracy": "share of the test split", "loss": ""}
BOUNDS: dict[Name, tuple[float, float]] = {"accuracy": (0.0, 1.0), "loss": (0.0, math.inf)}
UNDEFENDED = Unproven("there is no defense")
UNEVALUATED = "no round was evaluated; set federation.fraction_evaluate or utility.rounds"

DECIBELS = "psnr"
"""The metric whose samples `share-at-40dB` counts: of each message the share that have so much or more."""
SHARE_AT = re.compile(r"share-at-(\d+)dB", re.ASCII)
SLIP = re.compile(r"(?:psnr-)?share-(?:at|above|over)-(\d+)-?db", re.IGNORECASE | re.ASCII)
"""What else people call it."""
OF_A_MESSAGE = "share of images"


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
    return [_proved(group, len(seeds), proofs) for group, seeds in groups_of(rows).items()]


def groups_of(rows: Sequence[FederationRow]) -> dict[MeasuredGroup, set[int]]:
    """The seeds of each task, setting and defense."""
    groups: dict[MeasuredGroup, set[int]] = {}
    for row in rows:
        if row.split == "test":
            group = MeasuredGroup(task=row.task, setting=setting_key(row.setting), defense=row.defense)
            groups.setdefault(group, set()).add(row.seed)
    return groups


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


def level_of(figure: str) -> float | None:
    """The decibels in the name of a share of each message; None for any other figure."""
    found = SHARE_AT.fullmatch(figure)
    return float(found[1]) if found else None


def meant_by(figure: str) -> str | None:
    """The name that a misspelling of such a figure stands for; None where it is none."""
    found = SLIP.fullmatch(figure)
    return f"share-at-{found[1]}dB" if found else None


def message_shares(figure: str, summary: Summary, rows: Sequence[Row]) -> tuple[Summary, tuple[Row, ...]]:
    """The summary and rows of a group as such a figure has them: a message is one sample, the share of its images.

    So are its blind guesses. An image that nothing was guessed of is below the level; a message without a figure has
    none here either.
    """
    level = level_of(figure)
    assert level is not None
    shares = tuple(replace(_shares_at(row, level), metric=figure) for row in rows)
    return summary_of(replace(summary.group, metric=figure), shares), shares


def _shares_at(row: Row, level: float) -> Row:
    if not any(map(math.isfinite, row.per_sample)):
        return replace(row, unit=OF_A_MESSAGE, threshold=math.nan)
    own, prior, no_access, class_mean, single_color, nearest_public = (
        _share_at(values, level) for values in (row.per_sample, *(getattr(row, name) for name in BESIDE))
    )
    return replace(
        row,
        unit=OF_A_MESSAGE,
        threshold=math.nan,
        value=own,
        best=own,
        worst=own,
        per_sample=(own,),
        baseline=prior,
        prior_per_sample=(prior,),
        no_access=no_access,
        no_access_per_sample=(no_access,),
        class_mean=class_mean,
        class_mean_per_sample=(class_mean,),
        single_color=single_color,
        single_color_per_sample=(single_color,),
        nearest_public=nearest_public,
        nearest_public_per_sample=(nearest_public,),
    )


def _share_at(values: Sequence[float], level: float) -> float:
    """NaN where there is none to look at."""
    return sum(value >= level for value in values) / len(values) if values else math.nan
