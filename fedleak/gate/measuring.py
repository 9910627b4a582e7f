"""Measures what a rule is about: from the rows of attacks, or from those of federations."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fedleak.campaign.federation_row import FederationRow
from fedleak.gate import aggregates
from fedleak.gate.language import Aggregate, Figure
from fedleak.gate.measurement import Measurement
from fedleak.gate.subject import Subject
from fedleak.results import Row
from fedleak.statistics.group import Group, Variant, group_rows
from fedleak.statistics.intervals import Units, of_mean
from fedleak.statistics.summary import Summary, summarise

COUNT = "messages"


def never(row: Row) -> bool:  # noqa: ARG001
    """No attack crashed."""
    return False


@dataclass(frozen=True)
class Measured:
    """What a run measured on its test seeds."""

    rows: tuple[Row, ...]
    federations: tuple[FederationRow, ...] = ()
    crashed: Callable[[Row], bool] = never
    """Whether the attack behind a row raised: then its missing figure says nothing of the defense. Asked only where an
    attack has no figure at all."""

    @cached_property
    def summaries(self) -> list[Summary]:
        """One for each group."""
        return summarise(self.rows)

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
        "accuracy": lambda: _of_federations(measured, lambda row: row.accuracy, "share of the test split"),
        "loss": lambda: _of_federations(measured, lambda row: row.loss, ""),
    }
    return of[figure.name]()


def failed_messages(rows: Sequence[Row]) -> dict[str, int]:
    """Messages that have no figure by any metric: why, counted."""
    reasons = {_message(row): row.reason or "no reason given" for row in rows}
    scored = {_message(row) for row in rows if math.isfinite(row.value)}
    return dict(Counter(reason for message, reason in reasons.items() if message not in scored))


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
                    seeds=summary.seeds,
                    failures=dict(summary.failures),
                    rows=rows,
                )
            )
    return found


def _certified(variant: Variant, rows: Sequence[Row], crashed: Callable[[Row], bool]) -> Measurement:
    """None where the attack always crashed: it did not get to prove anything."""
    tried = any(math.isfinite(row.value) for row in rows) or not all(map(crashed, rows))
    return _count(variant, rows, float(len({_message(row) for row in rows if row.certified})) if tried else math.nan)


def _failed(variant: Variant, rows: Sequence[Row]) -> Measurement:
    return _count(variant, rows, float(sum(failed_messages(rows).values())))


def _count(variant: Variant, rows: Sequence[Row], count: float) -> Measurement:
    return Measurement(
        subject=_subject(variant),
        value=count,
        unit=COUNT,
        interval=None,
        messages=len({_message(row) for row in rows}),
        seeds=len({row.seed for row in rows}),
        failures=failed_messages(rows),
        rows=tuple(rows),
    )


def _of_federations(measured: Measured, value: Callable[[FederationRow], float], unit: str) -> list[Measurement]:
    """The mean over seeds of what each federation came to in its last evaluated round."""
    last: dict[Subject, dict[int, float]] = {}
    for row in sorted(measured.federations, key=lambda row: row.round):
        if row.split == "test":
            setting = tuple(sorted(row.setting.items()))
            own = last.setdefault(Subject(task=row.task, setting=setting, defense=row.defense), {})
            if math.isfinite(value(row)):
                own[row.seed] = value(row)
    return [_over_seeds(subject, own, unit) for subject, own in last.items()]


def _over_seeds(subject: Subject, by_seed: dict[int, float], unit: str) -> Measurement:
    values = list(by_seed.values())
    return Measurement(
        subject=subject,
        value=math.fsum(values) / len(values) if values else math.nan,
        unit=unit,
        interval=of_mean(Units(name="seed", totals=np.array(values, dtype=float), sizes=np.ones(len(values)))),
        messages=0,
        seeds=len(values),
        failures={} if values else {"no round was evaluated; set federation.fraction_evaluate": 1},
    )


def _subject(variant: Variant) -> Subject:
    return Subject(**variant._asdict())


def _message(row: Row) -> tuple[int, int, object]:
    return row.seed, row.round, row.client
