"""Detection of servers that cheat: how well clients' checks tell crafted models from honest ones.

Thresholds are set on honest rounds of other seeds: of those that an experiment has for nothing else, else of the others
that it reports. Honest rounds of all kinds of training are pooled, for a client does not know which kind its own is.
Within each seed models that clients were sent crafted stand beside honest ones.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

import torch

from fedleak.analysis.kinds import Kinds
from fedleak.analysis.rarity import model_of, table_of
from fedleak.analysis.thresholds import Usual, least_rate, seeds_for
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
    seeds: int
    """Whose honest models set the threshold of each seed, at least."""
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

    Raises `ConfigError` where there are honest models of too few seeds for the rate of false alarms.
    """
    return [found for place, group in _grouped(rows).items() for found in _detected(*place, group, rate)]


def attainable(rows: Sequence[CheckRow], rate: float = RATE) -> float:
    """The rate, or the least above it that the honest seeds of a run are enough for; 1 where there are none."""
    return max([rate, *(least_rate(group.seeds(phase, own)) for group, phase, own in _judgements(rows))])


def false_alarms(rows: Sequence[CheckRow], rate: float = RATE) -> list[FalseAlarms]:
    """Each check on honest models of each kind of training."""
    found = []
    for (task, defense, check), group in _grouped(rows).items():
        by_kind: dict[str, dict[int, list[bool]]] = {}
        for kind, seed, alarm in _honest_alarms(group, rate):
            by_kind.setdefault(kind, {}).setdefault(seed, []).append(alarm)
        for kind, seeds in by_kind.items():
            figures = FalseAlarms(
                task=task,
                where=kind,
                defense=defense,
                check=check,
                rate=Share.of([fmean(alarms) for alarms in seeds.values()], list(seeds), "message"),
                own=_alarms(row for row in group.honest if group.kinds.of(row.setting) == kind),
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


class _Group:
    """What one check measured under one defense on one task."""

    def __init__(self, rows: Sequence[CheckRow], kinds: Kinds) -> None:
        self.kinds = kinds
        self.reported = [row for row in rows if row.split == "test"]
        self.honest = [row for row in self.reported if row.server == HONEST]
        self._calibrating = [row for row in rows if row.split == "calibration"]
        self._usual: dict[tuple[object, ...], Usual] = {}

    @property
    def crafted(self) -> dict[tuple[str, str, Phase], list[CheckRow]]:
        """Crafted models by server, kind and phase."""
        found: dict[tuple[str, str, Phase], list[CheckRow]] = {}
        for row in self.reported:
            if row.crafted:
                found.setdefault((row.server, self.kinds.of(row.setting), phase_of(row.round)), []).append(row)
        return found

    def usual(self, phase: Phase, seed: int, statistics: Sequence[str]) -> Usual:
        """The honest models that thresholds are set on where those of a seed are judged."""
        key = (phase, None if self._calibrating else seed, *statistics)
        if key not in self._usual:
            rows = self._calibrating or [row for row in self.honest if row.seed != seed]
            self._usual[key] = Usual.of([row for row in rows if phase_of(row.round) == phase], statistics)
        return self._usual[key]

    def seeds(self, phase: Phase, judged: Iterable[CheckRow]) -> int:
        """Of how many seeds there are such models, at least."""
        statistics = list(dict.fromkeys(row.statistic for row in self.honest))
        return min(self.usual(phase, seed, statistics).different for seed in {row.seed for row in judged})


def _grouped(rows: Sequence[CheckRow]) -> dict[tuple[str, str, str], _Group]:
    groups: dict[tuple[str, str, str], list[CheckRow]] = {}
    for row in rows:
        if row.split != "tuning":
            groups.setdefault((row.task, row.defense, row.check), []).append(row)
    kinds = Kinds(row.setting for row in rows)
    return {place: _Group(own, kinds) for place, own in groups.items()}


def _judgements(rows: Sequence[CheckRow]) -> Iterator[tuple[_Group, Phase, list[CheckRow]]]:
    """Crafted models of a server, kind and phase, with the group that they are in."""
    for group in _grouped(rows).values():
        for (_, _, phase), own in group.crafted.items():
            yield group, phase, own


def _detected(task: str, defense: str, check: str, group: _Group, rate: float) -> Iterator[Detected]:
    for (server, where, phase), own in group.crafted.items():
        _require_enough(group.seeds(phase, own), phase, check, rate)
        statistics = list(dict.fromkeys(row.statistic for row in own))
        for statistic in [*statistics, *([ANY] if len(statistics) > 1 else [])]:
            names = statistics if statistic == ANY else [statistic]
            judged = _by_seed(group, phase, own, names, rate)
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
                seeds=min(different),
                placed=placed,
            )


def _by_seed(
    group: _Group, phase: Phase, crafted: Sequence[CheckRow], statistics: Sequence[str], rate: float
) -> list[tuple[int, Placement, float, float, int]]:
    """For each seed crafted models among honest ones, the shares of both above a threshold that other seeds set."""
    judged = []
    honest = [row for row in group.honest if phase_of(row.round) == phase]
    for seed in dict.fromkeys(row.seed for row in crafted):
        usual = group.usual(phase, seed, statistics)
        models, sought = table_of([row for row in crafted if row.seed == seed], statistics)
        beside, others = table_of([row for row in honest if row.seed == seed], statistics)
        if not (models and beside and usual.seeds):
            continue
        own, rest, threshold = usual.rarity(sought), usual.rarity(others), usual.threshold(rate)
        placed = Placement.of(torch.from_numpy(own), torch.from_numpy(rest))
        above = float((own > threshold).mean()), float((rest > threshold).mean())
        judged.append((seed, placed, *above, usual.different))
    return judged


def _honest_alarms(group: _Group, rate: float) -> Iterator[tuple[str, int, bool]]:
    """For each honest model its kind of training, its seed, and whether it is above a threshold of other seeds."""
    statistics = list(dict.fromkeys(row.statistic for row in group.honest))
    words = {model_of(row): group.kinds.of(row.setting) for row in group.honest}
    for phase, seed in dict.fromkeys((phase_of(row.round), row.seed) for row in group.honest):
        usual = group.usual(phase, seed, statistics)
        own = [row for row in group.honest if phase_of(row.round) == phase and row.seed == seed]
        models, mine = table_of(own, statistics)
        if models and usual.seeds:
            alarms = usual.rarity(mine) > usual.threshold(rate)
            yield from ((words[model], seed, bool(alarm)) for model, alarm in zip(models, alarms, strict=True))


def _alarms(rows: Iterable[CheckRow]) -> Share:
    """The share of models that a check raised an alarm at, the mean over seeds."""
    by_seed: dict[int, dict[tuple[object, ...], bool]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, {})[model_of(row)] = row.alarm
    return Share.of([fmean(models.values()) for models in by_seed.values()], list(by_seed), "message")


def _require_enough(seeds: int, phase: Phase, check: str, rate: float) -> None:
    if seeds < seeds_for(rate):
        raise ConfigError(
            f"{check}: a threshold at {100 * rate:g}% false alarms takes honest models of {seeds_for(rate)} seeds "
            f"beside the one that is judged, and in the {phase} there are {seeds}; add seeds, or [calibration] with "
            f"seeds = {seeds_for(rate)}"
        )
