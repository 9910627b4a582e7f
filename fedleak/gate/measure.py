"""Measurement of a rule's figure in every group: from the rows of attacks, or from those of federations."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fedleak.analysis.guarantees import Proofs
from fedleak.analysis.refusals import nothing_left
from fedleak.errors import RecordingError
from fedleak.experiment.campaign import Campaign, distinct
from fedleak.gate.figures import (
    DECIBELS,
    Evaluated,
    aggregated,
    always,
    level_of,
    measure_epsilons,
    measure_federations,
    message_shares,
)
from fedleak.gate.measured_epsilons import measure_audits
from fedleak.gate.measurement import MeasuredGroup, Measurement, baselines_of
from fedleak.gate.rule import Aggregate, Figure
from fedleak.results.dp_row import DPRow
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import setting_key
from fedleak.runs import cell_file
from fedleak.runs.folder import RunFolder
from fedleak.statistics.group import Group, Variant, group_rows
from fedleak.statistics.summary import Summary

COUNT = "messages"
Message = tuple[int, int, object]
"""Seed, round and sender."""


@dataclass(frozen=True)
class Crashes:
    """Looks into the files of cells, once for each.

    An attack that crashed says nothing of what the update gives away.
    """

    folder: RunFolder
    _known: dict[Path, str] = field(default_factory=dict)

    def __call__(self, row: Row) -> str:
        """What the attack behind a row did, in words that go before "on 3 of 10 messages"; empty for no crash."""
        cell = self.folder.cell(row)
        if cell not in self._known:
            self._known[cell] = self._look(cell, row)
        return self._known[cell]

    def _look(self, cell: Path, row: Row) -> str:
        try:
            return "crashed" if cell_file.load(cell).crash is not None else ""
        except RecordingError:
            return "" if self._sent_nothing(row) else "may have crashed (its files are gone or damaged)"

    def _sent_nothing(self, row: Row) -> bool:
        """Whether there never was a message to attack: its client failed, or the whole federation did."""
        recorded = (self.folder.root / "recordings").is_dir()
        return recorded and not Path(f"{self.folder.recording(row)}.json").exists()


def never(row: Row) -> str:  # noqa: ARG001
    """No attack crashed."""
    return ""


@dataclass(frozen=True)
class Measured:
    """What a run measured on its test seeds."""

    rows: tuple[Row, ...]
    summaries: tuple[Summary, ...]
    """One for each group of these."""
    federations: tuple[FederationRow, ...] = ()
    crashed: Callable[[Row], str] = never
    """See `Crashes`; asked only where an attack has no figure."""
    evaluated: Evaluated = always
    proofs: Proofs = field(default_factory=dict)
    """What each chain proves of the whole run."""
    audits: tuple[DPRow, ...] = ()
    """What `fedleak audit-dp` found of the run's chains."""
    masked: Collection[MeasuredGroup] = frozenset()
    """See `masked_in`."""

    @cached_property
    def groups(self) -> dict[Group, list[Row]]:
        """The rows of each group."""
        return group_rows(row for row in self.rows if row.split == "test")

    @cached_property
    def variants(self) -> dict[Variant, list[Row]]:
        """The rows of each attack on each kind of message, by whatever metric."""
        found: dict[Variant, list[Row]] = {}
        for group, rows in self.groups.items():
            found.setdefault(group.variant, []).extend(rows)
        return found


def masked_in(campaign: Campaign) -> frozenset[MeasuredGroup]:
    """The federations whose server is sent single messages under masks, or as ciphertexts, and opens sums alone."""
    summed: dict[str, list[str]] = {}
    for one in distinct(campaign):
        chains = one.build_chains().items()
        summed[repr(one.defenses)] = [name for name, own in chains if own.protocol and own.protocol.shares_model]
    return frozenset(
        MeasuredGroup(task=point.experiment.task.label, setting=setting_key(point.setting), defense=name)
        for point in campaign.points
        for name in summed[repr(point.experiment.defenses)]
    )


def measure(figure: Figure, measured: Measured) -> list[Measurement]:
    """One measurement for each group, those without a figure among them."""
    if figure.aggregate is not None:
        return _of_metric(figure.name, figure.aggregate, measured)
    of: dict[str, Callable[[], list[Measurement]]] = {
        "certified": lambda: [_certified(*one, measured.crashed) for one in measured.variants.items()],
        "failed": lambda: [_failed(*one) for one in measured.variants.items()],
        "accuracy": lambda: measure_federations("accuracy", measured.federations, measured.evaluated),
        "loss": lambda: measure_federations("loss", measured.federations, measured.evaluated),
        "epsilon": lambda: measure_epsilons(measured.federations, measured.proofs),
        "epsilon.measured": lambda: measure_audits(measured.federations, measured.audits),
    }
    return of[figure.name]()


def failures(rows: Sequence[Row]) -> dict[Message, Row]:
    """A row for each message that some metric could judge and none has a figure for."""
    scored = {message_of(row) for row in rows if math.isfinite(row.value)}
    return {message_of(row): row for row in rows if row.applicable and message_of(row) not in scored}


def failed_messages(rows: Sequence[Row]) -> dict[str, int]:
    """Why messages have failed, counted."""
    return dict(Counter(row.reason or "no reason given" for row in failures(rows).values()))


def message_of(row: Row) -> Message:
    """Which message of its group a row is about."""
    return row.seed, row.round, row.client


def _of_metric(metric: str, aggregate: Aggregate, measured: Measured) -> list[Measurement]:
    measurements, of_messages = [], level_of(metric) is not None
    for found in measured.summaries:
        if found.group.metric == (DECIBELS if of_messages else metric):
            rows = tuple(measured.groups[found.group])
            summary, samples = message_shares(metric, found, rows) if of_messages else (found, rows)
            value, interval = aggregated(aggregate, summary, samples)
            measurements.append(
                Measurement(
                    group=_group(summary.group.variant),
                    value=value,
                    unit="share of samples" if aggregate.name == "share" else summary.unit,
                    interval=interval,
                    baselines=baselines_of(summary),
                    messages=summary.messages,
                    gap=_gap(rows),
                    seeds=summary.seeds,
                    failures=dict(summary.failures),
                    applicable=bool(summary.messages) or all(row.applicable for row in rows),
                    problem=_crashes(rows, measured.crashed),
                    refused="" if summary.messages else nothing_left(rows, measured.federations),
                    rows=rows,
                )
            )
    return measurements


def _certified(variant: Variant, rows: Sequence[Row], crashed: Callable[[Row], str]) -> Measurement:
    return _count(
        variant,
        rows,
        len({message_of(row) for row in rows if row.certified}),
        gap=_gap(rows),
        problem=_crashes(rows, crashed),
        certifiable=len({message_of(row) for row in rows if row.certifiable}),
    )


def _failed(variant: Variant, rows: Sequence[Row]) -> Measurement:
    return _count(variant, rows, len(failures(rows)))


def _count(
    variant: Variant,
    rows: Sequence[Row],
    count: int,
    *,
    gap: str = "",
    problem: str = "",
    certifiable: int | None = None,
) -> Measurement:
    return Measurement(
        group=_group(variant),
        value=float(count),
        unit=COUNT,
        interval=None,
        messages=len({message_of(row) for row in rows}),
        gap=gap,
        seeds=len({row.seed for row in rows}),
        failures=failed_messages(rows),
        problem=problem,
        certifiable=certifiable,
        rows=tuple(rows),
    )


def _crashes(rows: Sequence[Row], crashed: Callable[[Row], str]) -> str:
    """Of a group with messages on which the attack crashed: how many, and the first one's reason."""
    found = [(row, how) for row in failures(rows).values() if (how := crashed(row))]
    if not found:
        return ""
    first, how = found[0]
    messages = len({message_of(row) for row in rows})
    return f"{first.attack} {how} on {len(found)} of {messages} messages, first: {first.reason or 'no reason given'}"


def _gap(rows: Sequence[Row]) -> str:
    failed, messages = len(failures(rows)), len({message_of(row) for row in rows})
    return f"{failed} of {messages} messages have no figure" if failed else ""


def _group(variant: Variant) -> MeasuredGroup:
    return MeasuredGroup(**variant._asdict())
