"""What the operator sees: how well detectors tell the queries of each attack from those of benign users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedleak.analysis.conditions import Condition
from fedleak.errors import FedleakError
from fedleak.formatting import number
from fedleak.report.convergence import SERIES, Lines, Points, lines_of
from fedleak.runs.reading import FinishedRun
from fedleak.traffic.audit import AttackTraffic, Audit, audit
from fedleak.traffic.detection import Detection
from fedleak.traffic.private_costs import private_costs
from fedleak.traffic.unseen import blocked_in_words, unseen_in_words

LINES, CHARTS = 120, 6
"""Lines of the table and ROCs that are shown, to keep the page small."""
BENIGN = "benign users"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One detector on one attack, a line of the table."""

    where: str
    defense: str
    attack: str
    queries: str
    unsure: str
    detector: str
    caught: str
    auc: str
    alarms: str
    """What its defaults refuse of the attack, and of benign users."""
    blocked: str


@dataclass(frozen=True, kw_only=True)
class Watch:
    """The section. Where logs cannot be read it has a sentence and nothing else."""

    sentence: str
    lines: tuple[Watched, ...] = ()
    left_out: int = 0
    """Lines of the table that are not shown."""
    charts: tuple[Lines, ...] = ()
    private: tuple[tuple[str, ...], ...] = ()
    """Where an operator saw nothing: attack, defense, where, and what answers took that were really computed so."""


def watch(run: FinishedRun) -> Watch | None:
    """The section of a run; None where no attack asked a prediction API."""
    if not any(row.queries for row in run.rows if row.split == "test"):
        return None
    private: tuple[tuple[str, ...], ...] = ()
    try:
        costs = private_costs(run)
        private = tuple((one.attack, one.defense, one.condition.words, *one.words) for one in costs)[:LINES]
        found = audit(run)
    except FedleakError as error:  # the page is about the rows, and can be made without the files behind them
        return Watch(sentence=f"What attacks asked cannot be judged: {error}.", private=private)
    lines = tuple(_line(one, detection) for one in found.traffic for detection in one.detections)
    return Watch(
        sentence=unseen_in_words(found),
        lines=lines[:LINES],
        left_out=max(0, len(lines) - LINES),
        charts=tuple(_charts(found))[:CHARTS],
        private=private,
    )


def _line(one: AttackTraffic, found: Detection) -> Watched:
    return Watched(
        where=one.condition.words,
        defense=one.defense,
        attack=one.attack,
        queries=f"{one.queries:,.0f}",
        unsure=one.unsure.words,
        detector=found.detector,
        caught=found.caught.words,
        auc=found.auc.words,
        alarms=f"{number(found.refused.mean)} / {number(found.false_alarms)}",
        blocked=f"{blocked_in_words(found)} ({found.blocked} of {one.cells})",
    )


def _charts(found: Audit) -> list[Lines]:
    """A ROC for each setting, defense and detector, a line for each attack."""
    tried: dict[tuple[Condition, str], list[AttackTraffic]] = {}
    for one in found.traffic:
        tried.setdefault((one.condition, one.defense), []).append(one)
    charts = [
        lines_of(f"{condition.words}, {defense}: caught by {name}", "share of false alarms", curves)
        for (condition, defense), own in tried.items()
        for name, curves in _curves(own).items()
    ]
    return [chart for chart in charts if chart is not None]


def _curves(traffic: Sequence[AttackTraffic]) -> Mapping[str, Mapping[str, Points]]:
    """The curves of each attack, by detector, and the diagonal, which says nothing of anybody."""
    curves: dict[str, dict[str, Points]] = {}
    for one in traffic[: SERIES - 1]:
        for found in one.detections:
            curves.setdefault(found.detector, {})[one.attack] = found.curve
    return {name: {**own, BENIGN: [(0.0, 0.0), (1.0, 1.0)]} for name, own in curves.items()}
