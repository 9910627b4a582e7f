"""Utility and costs: accuracy over rounds, and bytes, seconds and memory that a defense takes."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from fedleak.analysis.conditions import Condition, condition_of_row
from fedleak.analysis.operating_point import accuracy_of
from fedleak.formatting import DASH, counted, number, percent
from fedleak.report.convergence import SERIES, Lines, Points, lines_of
from fedleak.results.federation_row import FederationRow
from fedleak.settings.adversary import ASKED_LATER

Round = tuple[str, int, int]
"""Federation, seed and round."""
ASKED = frozenset(f"adversary.{name}" for name in ASKED_LATER)
CHARTS = 6
"""Conditions that are drawn."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """One defense in the table."""

    defense: str
    accuracy: str
    received: str
    sent: str
    encoded: str
    seconds: str
    memory: str


@dataclass(frozen=True, kw_only=True)
class Learning:
    """One condition."""

    chart: Lines | None
    """None where no model was evaluated in two rounds or more."""
    where: str
    prices: tuple[Price, ...]


def learning(federations: Iterable[FederationRow]) -> list[Learning]:
    """For each condition the course of the accuracy under each defense, and what a round costs a client there."""
    found: dict[Condition, dict[str, dict[Round, FederationRow]]] = {}
    for row in federations:
        if row.split == "test":
            own = found.setdefault(_trained_in(condition_of_row(row)), {}).setdefault(row.defense, {})
            own.setdefault((row.federation, row.seed, row.round), row)
    together = ((where, {name: [*own.values()] for name, own in rows.items()}) for where, rows in found.items())
    return [_learning(where, rows) for where, rows in together][:CHARTS]


def _trained_in(where: Condition) -> Condition:
    """The condition without what only attackers know of: their federations are the same."""
    setting = ((key, value) for key, value in where.setting if key not in ASKED)
    return Condition(task=where.task, setting=tuple(setting))


def _learning(where: Condition, rows: Mapping[str, Sequence[FederationRow]]) -> Learning:
    courses = {defense: course(own) for defense, own in rows.items()}
    drawn = dict(list(courses.items())[:SERIES]) if any(len(one) > 1 for one in courses.values()) else {}
    title = f"{where.words}: accuracy"
    return Learning(
        chart=lines_of(title, "rounds", drawn),
        where=where.words,
        prices=tuple(_price(defense, own) for defense, own in rows.items()),
    )


def values_cut(federations: Iterable[FederationRow]) -> Iterator[str]:
    """A sentence for each defense under which values were cut, as they were beyond what was declared."""
    found: dict[str, list[float]] = {}
    for row in federations:
        if row.values_cut:
            found.setdefault(row.defense, []).append(row.values_cut)
    for defense, cut in found.items():
        yield (
            f"Under {defense} {sum(cut):.0f} values were beyond max_value and were cut to it, in "
            f"{counted(len(cut), 'round')}; raise max_value, or set ring_bits = 64, which cuts nothing."
        )


def rounds_lost(federations: Iterable[FederationRow]) -> Iterator[str]:
    """A sentence for each defense under which attacked rounds were lost, so that the models learnt less."""
    found: dict[str, dict[Round, bool]] = {}
    for row in federations:
        if row.recorded and row.split == "test":
            found.setdefault(row.defense, {})[row.federation, row.seed, row.round] = row.lost
    for defense, rounds in found.items():
        if any(rounds.values()):
            yield (
                f"Under {defense} {sum(rounds.values())} of {counted(len(rounds), 'round')} came to no end, and the "
                "model learnt little or nothing in them: where little leaks, little may have been learnt."
            )


def course(rows: Sequence[FederationRow]) -> Points:
    """Round and accuracy, the mean over those seeds that have one."""
    known: dict[int, list[float]] = {}
    for row in rows:
        if not math.isnan(row.accuracy):
            known.setdefault(row.round, []).append(row.accuracy)
    return [(float(round), fmean(values)) for round, values in sorted(known.items())]


def _price(defense: str, rows: Sequence[FederationRow]) -> Price:
    return Price(
        defense=defense,
        accuracy=percent(accuracy_of(rows).mean),
        received=_size(_mean(row.bytes_received for row in rows)),
        sent=_size(_mean(row.bytes_sent for row in rows)),
        encoded=_size(_mean(row.bytes_encoded for row in rows)),
        seconds=_seconds(_mean(row.client_seconds for row in rows)),
        memory=_size(_mean(row.client_memory for row in rows)),
    )


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def _size(value: float) -> str:
    """`38.4 kB`."""
    if math.isnan(value):
        return DASH
    unit, factor = ("MB", 1e6) if value >= 1e6 else ("kB", 1e3)
    return f"{number(value / factor)} {unit}"


def _seconds(value: float) -> str:
    if math.isnan(value):
        return DASH
    return f"{number(value)} s" if value >= 1 else f"{number(1000 * value)} ms"
