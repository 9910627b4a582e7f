"""Prediction: indicators of a run's messages held against what its attacks really got beyond guessing."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fedleak import progress
from fedleak.errors import ConfigError, RecordingError, did_you_mean
from fedleak.processes.home import at_home
from fedleak.profile.indicators import INDICATORS, Indicator, values_of
from fedleak.profile.profile import Effort, profile
from fedleak.profile.subject import recorded
from fedleak.recording.task_table import home_of
from fedleak.results.row import Row
from fedleak.results.schema import AGGREGATE, MODEL
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import FinishedRun
from fedleak.statistics.correlation import Correlation, spearman
from fedleak.statistics.group import group_rows
from fedleak.statistics.intervals import CLUSTERS
from fedleak.statistics.samples import Samples

QUICK = Effort(operations=3e11, steps=32, probes=8)
"""Many messages are profiled, and ranks need no more."""


class Message(NamedTuple):
    """What was attacked."""

    federation: str
    defense: str
    round: int
    client: int


@dataclass(frozen=True, kw_only=True)
class Point:
    """One attack on one message: its indicators by name, and what it got beyond the better blind guess."""

    attack: str
    task: str
    setting: str
    """Task, settings and defense: messages that have it in common are near repetitions of each other."""
    message: Message
    values: dict[str, float]
    gain: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """How well the indicators foretold a metric's gain."""

    metric: str
    unit: str
    points: tuple[Point, ...]
    correlations: Mapping[tuple[str, str], Correlation]
    """By indicator and attack, over all tasks."""
    within: Mapping[tuple[str, str], Correlation]
    """The same within each task alone: an indicator may do no more than tell tasks apart, as their name does."""
    left_out: tuple[str, ...]
    """What is not among the points, counted, and why."""

    @property
    def attacks(self) -> tuple[str, ...]:
        """Those with points, in their order."""
        return tuple(dict.fromkeys(point.attack for point in self.points))

    def correlation(self, indicator: Indicator, attack: str) -> Correlation:
        """Over the points of an attack where the indicator applies."""
        return self.correlations[indicator.name, attack]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those with points, in their order."""
        return tuple(dict.fromkeys(point.task for point in self.points))

    def varying_indicators(self) -> tuple[Indicator, ...]:
        """The indicators that vary among the points of some attack."""
        return tuple(
            one for one in INDICATORS if any(not math.isnan(self.correlation(one, a).value) for a in self.attacks)
        )


def predict(run: FinishedRun, metric: str) -> Prediction:
    """Profiles every client's message that was attacked, and joins it with the rows by the metric.

    Raises `ConfigError` where the run has no such metric or attacked models alone, and `RecordingError` where it kept
    no recordings.
    """
    if run.rows and all(row.client == MODEL for row in run.rows):
        raise ConfigError("a profile is of updates, and the attacks of this run looked at models alone")
    rows = [row for row in run.rows if row.metric == metric and row.split == "test"]
    if not rows:
        metrics = {row.metric for row in run.rows}
        raise ConfigError(f"--metric: the run has no figures by '{metric}'{did_you_mean(metric, metrics)}")
    single = (row for row in rows if not isinstance(row.client, str))
    gains = [pair for group in group_rows(single).values() for pair in _gains(group)]
    scored = [(row, gain) for row, gain in gains if not math.isnan(gain)]
    failed = [row for row, gain in gains if math.isnan(gain)]
    indicators, missing = _indicators(run.folder, [row for row, _ in scored])
    points = [_point(row, indicators[key], gain) for row, gain in scored if (key := _message(row)) in indicators]
    aggregates = sum(row.client == AGGREGATE for row in rows)
    sums = [f"{aggregates} on sums, which are no one client's"] if aggregates else []
    return Prediction(
        metric=metric,
        unit=rows[0].unit,
        points=tuple(points),
        correlations=correlations_of(points),
        within=correlations_of(points, within_tasks=True),
        left_out=(*_failures(failed), *missing, *sums),
    )


def correlations_of(points: Sequence[Point], *, within_tasks: bool = False) -> dict[tuple[str, str], Correlation]:
    """Of each indicator with the gain of each attack. Settings are the units from five on, else messages."""
    correlations = {}
    for attack in dict.fromkeys(point.attack for point in points):
        for indicator in INDICATORS:
            applicable = [p for p in points if p.attack == attack and not math.isnan(p.values[indicator.name])]
            by_setting = len({point.setting for point in applicable}) >= CLUSTERS
            correlations[indicator.name, attack] = spearman(
                [point.values[indicator.name] for point in applicable],
                [point.gain for point in applicable],
                [point.setting if by_setting else point.message for point in applicable],
                "setting" if by_setting else "message",
                [point.task for point in applicable] if within_tasks else None,
            )
    return correlations


def _indicators(folder: RunFolder, rows: Sequence[Row]) -> tuple[dict[Message, dict[str, float]], list[str]]:
    """The indicators of each message; and which could not be profiled."""
    profiled: dict[Message, dict[str, float]] = {}
    missing: dict[str, int] = {}
    messages = {_message(row): row for row in rows}
    for place, (key, row) in enumerate(messages.items()):
        progress.report(place, len(messages))
        try:
            path = folder.recording(row).with_suffix(".json")
            profiled[key] = at_home(home_of(path), _values, path)
        except RecordingError as error:
            missing[_kind(error)] = missing.get(_kind(error), 0) + 1
    if not profiled and missing:
        raise RecordingError(f"{folder.root}: no message can be profiled: {next(iter(missing))}")
    return profiled, [f"{count} messages: {reason}" for reason, count in missing.items()]


def _values(path: Path) -> dict[str, float]:
    with progress.listening(None):
        return values_of(profile(recorded(path), effort=QUICK))


def _kind(error: RecordingError) -> str:
    """The error without the message that it names, so that equal reasons are counted together."""
    words = str(error)
    return words.partition(": ")[2] or words


def _point(row: Row, values: dict[str, float], gain: float) -> Point:
    settings = sorted(f"{key}={value}" for key, value in row.setting.items())
    return Point(
        attack=row.attack,
        task=row.task,
        setting=" ".join([row.task, *settings, row.defense]),
        message=_message(row),
        values=values,
        gain=gain,
    )


def _gains(rows: Sequence[Row]) -> Iterator[tuple[Row, float]]:
    """Each row of a group with the mean of what its samples got beyond the group's blind guess; NaN where none has."""
    samples = Samples.of(rows).guessed()
    for place, row in enumerate(rows):
        own = samples.gains[samples.message == place]
        yield row, float(own.mean()) if len(own) else math.nan


def _message(row: Row) -> Message:
    assert not isinstance(row.client, str)
    return Message(row.federation, row.defense, row.round, row.client)


def _failures(rows: Iterable[Row]) -> list[str]:
    """Attacks without a figure, counted: they are no points, and certainly none at zero."""
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.attack, row.reason or "no reason given")
        counts[key] = counts.get(key, 0) + 1
    return [f"{count} by {attack}: {reason}" for (attack, reason), count in counts.items()]
