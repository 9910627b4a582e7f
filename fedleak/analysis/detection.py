"""Detection of servers that cheat: how well clients' checks tell crafted models from honest ones, and what is left.

Thresholds are set on honest rounds of other seeds, and honest rounds of all kinds of training are pooled, for a client
does not know which kind its own is. Within each seed models that clients were sent crafted stand beside honest ones.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64

from fedleak.errors import ConfigError
from fedleak.formatting import setting_in_words
from fedleak.metrics.placement import Placement
from fedleak.results.check_row import CheckRow
from fedleak.settings.server import HONEST, ROW
from fedleak.statistics.roc import Share

RATE = 0.01
"""The share of honest models at which a threshold lets a check raise an alarm."""
ANY = "any of these"
"""A check by all its figures at once: the one that is rarest among honest models."""
Phase = Literal["first round", "later rounds"]
Values = Float64[np.ndarray, " _"]
Figures = Mapping[str, Values]
"""By statistic, of the same models in the same order; NaN where a model has no such figure."""


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
    """True positive rate at the rate of false alarms."""
    alarms: Share
    """The share that raised an alarm by the check's own thresholds, whatever its figures."""
    models: int
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


def phase_of(row: CheckRow) -> Phase:
    """The first round has no earlier model to compare with."""
    return "first round" if row.round == 1 else "later rounds"


def detected(rows: Sequence[CheckRow], rate: float = RATE) -> list[Detected]:
    """Each figure of each check on each server, in the order of the rows.

    Raises `ConfigError` where there are too few honest models for the rate of false alarms.
    """
    return [
        found
        for (task, defense, check), own in _grouped(rows).items()
        for found in _detected(task, defense, check, own, rate)
    ]


def false_alarms(rows: Sequence[CheckRow], rate: float = RATE) -> list[FalseAlarms]:
    """Each check on honest models of each kind of training."""
    found = []
    for (task, defense, check), own in _grouped(rows).items():
        by_kind: dict[str, dict[int, list[bool]]] = {}
        for kind, seed, alarm in _honest_alarms([row for row in own if row.server == HONEST], rate):
            by_kind.setdefault(kind, {}).setdefault(seed, []).append(alarm)
        for kind, seeds in by_kind.items():
            share = Share.of([fmean(alarms) for alarms in seeds.values()], list(seeds), "message")
            mine = [row for row in own if row.server == HONEST and _where(row) == kind]
            models = sum(len(alarms) for alarms in seeds.values())
            alarms = FalseAlarms(
                task=task, where=kind, defense=defense, check=check, rate=share, own=_alarms(mine), models=models
            )
            found.append(alarms)
    return found


def seconds_of(rows: Iterable[CheckRow]) -> dict[str, float]:
    """By check, what it takes a client at one model: the median."""
    taken: dict[str, dict[tuple[object, ...], float]] = {}
    for row in rows:
        taken.setdefault(row.check, {})[row.federation, row.defense, row.round, row.client] = row.seconds
    return {check: median(own.values()) for check, own in taken.items()}


def _grouped(rows: Iterable[CheckRow]) -> dict[tuple[str, str, str], list[CheckRow]]:
    groups: dict[tuple[str, str, str], list[CheckRow]] = {}
    for row in rows:
        if row.split == "test":
            groups.setdefault((row.task, row.defense, row.check), []).append(row)
    return groups


def _detected(task: str, defense: str, check: str, rows: Sequence[CheckRow], rate: float) -> Iterator[Detected]:
    honest = [row for row in rows if row.server == HONEST]
    crafted: dict[tuple[str, str, Phase], list[CheckRow]] = {}
    for row in rows:
        if row.crafted:
            crafted.setdefault((row.server, _where(row), phase_of(row)), []).append(row)
    for (server, where, phase), own in crafted.items():
        beside = [row for row in honest if phase_of(row) == phase]
        _require_enough(beside, own, check, rate)
        statistics = list(dict.fromkeys(row.statistic for row in own))
        for statistic in [*statistics, *([ANY] if len(statistics) > 1 else [])]:
            judged = _by_seed(own, beside, statistics if statistic == ANY else [statistic], rate)
            if not judged:
                continue
            seeds, placed, found = zip(*judged, strict=True)
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
                alarms=_alarms(own),
                models=sum(len(one.above) for one in placed),
                placed=placed,
            )


def _by_seed(
    crafted: Sequence[CheckRow], honest: Sequence[CheckRow], statistics: Sequence[str], rate: float
) -> list[tuple[int, Placement, float]]:
    """For each seed crafted models among honest ones, and the share above a threshold that other seeds set."""
    judged = []
    for seed in dict.fromkeys(row.seed for row in crafted):
        usual = _table([row for row in honest if row.seed != seed], statistics)
        sought = _scores(_table([row for row in crafted if row.seed == seed], statistics), usual)
        others = _scores(_table([row for row in honest if row.seed == seed], statistics), usual)
        if len(sought) and len(others):
            threshold = _threshold(_scores(usual, usual), rate)
            placed = Placement.of(torch.from_numpy(sought), torch.from_numpy(others))
            judged.append((seed, placed, float((sought > threshold).mean())))
    return judged


def _honest_alarms(honest: Sequence[CheckRow], rate: float) -> Iterator[tuple[str, int, bool]]:
    """For each honest model its kind of training, its seed, and whether it is above a threshold of other seeds."""
    statistics = list(dict.fromkeys(row.statistic for row in honest))
    for phase, seed in dict.fromkeys((phase_of(row), row.seed) for row in honest):
        own = [row for row in honest if phase_of(row) == phase]
        usual = _table([row for row in own if row.seed != seed], statistics)
        mine = [row for row in own if row.seed == seed]
        if len(usual[statistics[0]]):
            alarms = _scores(_table(mine, statistics), usual) > _threshold(_scores(usual, usual), rate)
            kinds = {_model(row): _where(row) for row in mine}
            yield from ((kind, seed, bool(alarm)) for kind, alarm in zip(kinds.values(), alarms, strict=True))


def _alarms(rows: Iterable[CheckRow]) -> Share:
    """The share of models that a check raised an alarm at, the mean over seeds."""
    by_seed: dict[int, dict[tuple[object, ...], bool]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, {})[_model(row)] = row.alarm
    return Share.of([fmean(models.values()) for models in by_seed.values()], list(by_seed), "message")


def _model(row: CheckRow) -> tuple[object, ...]:
    return row.federation, row.seed, row.round, row.client


def _table(rows: Sequence[CheckRow], statistics: Sequence[str]) -> dict[str, Values]:
    places = {model: place for place, model in enumerate(dict.fromkeys(map(_model, rows)))}
    table = {name: np.full(len(places), np.nan) for name in statistics}
    for row in rows:
        if row.statistic in table:
            table[row.statistic][places[_model(row)]] = row.value
    return table


def _scores(table: Figures, usual: Figures) -> Values:
    """How rare a model is among the usual ones, by its rarest figure: from 0 to 1, and a little above beyond all."""
    count = len(next(iter(table.values())))
    scores = np.zeros(count)
    for name, values in table.items():
        known = np.sort(usual[name][np.isfinite(usual[name])])
        if not len(known):
            continue
        rank = np.searchsorted(known, values, side="left") / len(known)
        beyond = np.maximum(values - known[-1], 0.0) / (abs(known[-1]) + 1.0)
        own = np.where(np.isfinite(values), rank + beyond, 0.0)
        scores = np.maximum(scores, own)
    return scores


def _threshold(usual: Values, rate: float) -> float:
    """The least score that no more than such a share of the usual ones is above."""
    return float(np.quantile(usual, 1 - rate, method="higher"))


def _require_enough(honest: Sequence[CheckRow], crafted: Sequence[CheckRow], check: str, rate: float) -> None:
    seeds = {row.seed for row in crafted}
    fewest = min(len({_model(row) for row in honest if row.seed != seed}) for seed in seeds)
    wanted = round(1 / rate)
    if fewest < wanted:
        raise ConfigError(
            f"{check}: a threshold at {100 * rate:g}% false alarms takes {wanted} honest models of other seeds in the "
            f"{phase_of(crafted[0])}, and there are {fewest}; add a row of an honest server, seeds, clients or rounds"
        )


def _where(row: CheckRow) -> str:
    """The setting without the server; of a named combination its name alone."""
    if row.setting.get("vary"):
        return str(row.setting["vary"])
    return setting_in_words({key: value for key, value in row.setting.items() if key != ROW})
