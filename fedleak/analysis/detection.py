"""Detection of servers that cheat: how well clients' checks tell crafted models from honest ones.

Thresholds are set on honest rounds of other seeds, and honest rounds of all kinds of training are pooled, for a client
does not know which kind its own is. Within each seed models that clients were sent crafted stand beside honest ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

import torch

from fedleak.analysis.kinds import Kinds
from fedleak.analysis.rarity import distinct, model_of, rarity, table_of, threshold_at
from fedleak.errors import ConfigError
from fedleak.metrics.placement import Placement
from fedleak.results.check_row import CheckRow
from fedleak.settings.server import HONEST
from fedleak.statistics.roc import Share

RATE = 0.01
"""The share of honest models at which a threshold lets a check raise an alarm."""
ANY = "any of these"
"""A check by all its figures at once: the one that is rarest among honest models."""
Phase = Literal["first round", "later rounds"]


@dataclass(frozen=True, kw_only=True)
class Detected:
    """How one figure of a check tells one server's models from honest ones."""

    task: str
    server: str
    where: str
    """The other settings, in words."""
    defense: str
    phase: Phase
    check: str
    statistic: str
    auc: Share
    found: Share
    """True positive rate at thresholds that other seeds set."""
    realised: Share
    """False positive rate at the same thresholds, on honest models of the seed itself."""
    alarms: Share
    """The share that raised an alarm by the check's own thresholds, whatever its figures."""
    models: int
    different: int
    """Honest models that set the threshold of a seed and differ in these figures, at least."""
    placed: tuple[Placement, ...] = ()
    """Crafted models among honest ones, a seed each: what a ROC is drawn from."""


@dataclass(frozen=True, kw_only=True)
class FalseAlarms:
    """How often a check by all its figures takes an honest model for a crafted one, in one kind of training."""

    task: str
    where: str
    defense: str
    check: str
    rate: Share
    """At thresholds that were set on other seeds of all kinds."""
    own: Share
    """By the check's own thresholds."""
    models: int


def phase_of(round: int) -> Phase:
    """The first round has no earlier model to compare with."""
    return "first round" if round == 1 else "later rounds"


def detected(rows: Sequence[CheckRow], rate: float = RATE) -> list[Detected]:
    """Each figure of each check on each server, in the order of the rows.

    Raises `ConfigError` where there are too few honest models for the rate of false alarms.
    """
    kinds = Kinds(row.setting for row in rows)
    return [found for place, own in _grouped(rows).items() for found in _detected(*place, own, rate, kinds)]


def attainable(rows: Sequence[CheckRow], rate: float = RATE) -> float:
    """The rate, or the least above it that the honest models of a run are enough for; 1 where there are none."""
    counts = [
        _others(beside, own)
        for _, group in _grouped(rows).items()
        for own, beside in _judged(group, Kinds(row.setting for row in group)).values()
    ]
    return rate if not counts else max(rate, 1 / max(min(counts), 1))


def false_alarms(rows: Sequence[CheckRow], rate: float = RATE) -> list[FalseAlarms]:
    """Each check on honest models of each kind of training."""
    found, kinds = [], Kinds(row.setting for row in rows)
    for (task, defense, check), own in _grouped(rows).items():
        honest = [row for row in own if row.server == HONEST]
        by_kind: dict[str, dict[int, list[bool]]] = {}
        for kind, seed, alarm in _honest_alarms(honest, rate, kinds):
            by_kind.setdefault(kind, {}).setdefault(seed, []).append(alarm)
        for kind, seeds in by_kind.items():
            figures = FalseAlarms(
                task=task,
                where=kind,
                defense=defense,
                check=check,
                rate=Share.of([fmean(alarms) for alarms in seeds.values()], list(seeds), "message"),
                own=_alarms(row for row in honest if kinds.of(row.setting) == kind),
                models=sum(len(alarms) for alarms in seeds.values()),
            )
            found.append(figures)
    return found


def seconds_of(rows: Iterable[CheckRow]) -> dict[str, float]:
    """By check, what it takes a client at one model: the median."""
    taken: dict[str, dict[tuple[object, ...], float]] = {}
    for row in rows:
        taken.setdefault(row.check, {})[row.defense, *model_of(row)] = row.seconds
    return {check: median(own.values()) for check, own in taken.items()}


def _grouped(rows: Iterable[CheckRow]) -> dict[tuple[str, str, str], list[CheckRow]]:
    groups: dict[tuple[str, str, str], list[CheckRow]] = {}
    for row in rows:
        if row.split == "test":
            groups.setdefault((row.task, row.defense, row.check), []).append(row)
    return groups


def _judged(
    rows: Sequence[CheckRow], kinds: Kinds
) -> dict[tuple[str, str, Phase], tuple[list[CheckRow], list[CheckRow]]]:
    """By server, kind and phase the crafted models, and the honest ones of the phase."""
    honest = [row for row in rows if row.server == HONEST]
    crafted: dict[tuple[str, str, Phase], list[CheckRow]] = {}
    for row in rows:
        if row.crafted:
            crafted.setdefault((row.server, kinds.of(row.setting), phase_of(row.round)), []).append(row)
    return {place: (own, [row for row in honest if phase_of(row.round) == place[2]]) for place, own in crafted.items()}


def _detected(
    task: str, defense: str, check: str, rows: Sequence[CheckRow], rate: float, kinds: Kinds
) -> Iterator[Detected]:
    for (server, where, phase), (own, beside) in _judged(rows, kinds).items():
        _require_enough(beside, own, check, rate)
        statistics = list(dict.fromkeys(row.statistic for row in own))
        for statistic in [*statistics, *([ANY] if len(statistics) > 1 else [])]:
            names = statistics if statistic == ANY else [statistic]
            judged = _by_seed(own, beside, names, rate)
            if not judged:
                continue
            seeds, placed, found, realised, different = zip(*judged, strict=True)
            yield Detected(
                task=task,
                server=server,
                where=where,
                defense=defense,
                phase=phase,
                check=check,
                statistic=statistic,
                auc=Share.of([float(one.below.mean()) for one in placed], seeds, "message"),
                found=Share.of(found, seeds, "message"),
                realised=Share.of(realised, seeds, "message"),
                alarms=_alarms(own),
                models=sum(len(one.above) for one in placed),
                different=min(different),
                placed=placed,
            )


def _by_seed(
    crafted: Sequence[CheckRow], honest: Sequence[CheckRow], statistics: Sequence[str], rate: float
) -> list[tuple[int, Placement, float, float, int]]:
    """For each seed crafted models among honest ones, the shares of both above a threshold that other seeds set."""
    judged = []
    for seed in dict.fromkeys(row.seed for row in crafted):
        theirs = [row for row in honest if row.seed != seed and row.statistic in statistics]
        usual = table_of(theirs, statistics)[1]
        _, sought = table_of([row for row in crafted if row.seed == seed], statistics)
        _, others = table_of([row for row in honest if row.seed == seed], statistics)
        if not all(len(table[statistics[0]]) for table in (usual, sought, others)):
            continue
        own, rest, threshold = rarity(sought, usual), rarity(others, usual), threshold_at(rarity(usual, usual), rate)
        placed = Placement.of(torch.from_numpy(own), torch.from_numpy(rest))
        above = float((own > threshold).mean()), float((rest > threshold).mean())
        judged.append((seed, placed, *above, distinct(theirs)))
    return judged


def _honest_alarms(honest: Sequence[CheckRow], rate: float, kinds: Kinds) -> Iterator[tuple[str, int, bool]]:
    """For each honest model its kind of training, its seed, and whether it is above a threshold of other seeds."""
    statistics = list(dict.fromkeys(row.statistic for row in honest))
    words = {model_of(row): kinds.of(row.setting) for row in honest}
    for phase, seed in dict.fromkeys((phase_of(row.round), row.seed) for row in honest):
        own = [row for row in honest if phase_of(row.round) == phase]
        _, usual = table_of([row for row in own if row.seed != seed], statistics)
        models, mine = table_of([row for row in own if row.seed == seed], statistics)
        if len(usual[statistics[0]]):
            alarms = rarity(mine, usual) > threshold_at(rarity(usual, usual), rate)
            yield from ((words[model], seed, bool(alarm)) for model, alarm in zip(models, alarms, strict=True))


def _alarms(rows: Iterable[CheckRow]) -> Share:
    """The share of models that a check raised an alarm at, the mean over seeds."""
    by_seed: dict[int, dict[tuple[object, ...], bool]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, {})[model_of(row)] = row.alarm
    return Share.of([fmean(models.values()) for models in by_seed.values()], list(by_seed), "message")


def _others(honest: Sequence[CheckRow], crafted: Sequence[CheckRow]) -> int:
    """The fewest honest models of other seeds that a seed's threshold is set on."""
    seeds = {row.seed for row in crafted}
    return min(len({model_of(row) for row in honest if row.seed != seed}) for seed in seeds)


def _require_enough(honest: Sequence[CheckRow], crafted: Sequence[CheckRow], check: str, rate: float) -> None:
    fewest, wanted = _others(honest, crafted), round(1 / rate)
    if fewest < wanted:
        raise ConfigError(
            f"{check}: a threshold at {100 * rate:g}% false alarms takes {wanted} honest models of other seeds in the "
            f"{phase_of(crafted[0].round)}, and there are {fewest}; add a row of an honest server, seeds, clients or "
            "rounds"
        )
