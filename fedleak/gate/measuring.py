"""Measures what a rule is about: from the rows of attacks, or from those of federations."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from fedleak.gate import aggregates
from fedleak.gate.crashes import never
from fedleak.gate.federations import Evaluated, always, measure_federations
from fedleak.gate.language import Aggregate, Figure
from fedleak.gate.measurement import Measurement
from fedleak.gate.subject import Subject
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.statistics.group import Group, Variant, group_rows
from fedleak.statistics.summary import Summary

COUNT = "messages"
Message = tuple[int, int, object]
"""Seed, round and sender."""


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


def measure(figure: Figure, measured: Measured) -> list[Measurement]:
    """One measurement for each group, those without a figure among them."""
    if figure.aggregate is not None:
        return _of_metric(figure.name, figure.aggregate, measured)
    of: dict[str, Callable[[], list[Measurement]]] = {
        "certified": lambda: [_certified(*one, measured.crashed) for one in measured.variants.items()],
        "failed": lambda: [_failed(*one) for one in measured.variants.items()],
        "accuracy": lambda: measure_federations("accuracy", measured.federations, measured.evaluated),
        "loss": lambda: measure_federations("loss", measured.federations, measured.evaluated),
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
    found = []
    for summary in measured.summaries:
        if summary.group.metric == metric:
            rows = tuple(measured.groups[summary.group])
            value, interval = aggregates.figure(aggregate, summary, rows)
            found.append(
                Measurement(
                    subject=_subject(summary.group.variant),
                    value=value,
                    unit="share of samples" if aggregate.name == "share" else summary.unit,
                    interval=interval,
                    baselines={"prior": summary.prior, "no-gradient": summary.no_gradient},
                    messages=summary.messages,
                    gap=_gap(rows),
                    seeds=summary.seeds,
                    failures=dict(summary.failures),
                    applicable=bool(summary.messages) or all(row.applicable for row in rows),
                    problem=_crashes(rows, measured.crashed),
                    rows=rows,
                )
            )
    return found


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
        subject=_subject(variant),
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


def _subject(variant: Variant) -> Subject:
    return Subject(**variant._asdict())
