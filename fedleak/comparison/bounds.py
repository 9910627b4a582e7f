"""What each defense of a run proves, and whether any attack did better than that allows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fedleak.accounting.chains import guarantee_of
from fedleak.accounting.check import Check, check_success
from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.attack import attacks
from fedleak.defense import Defense, protocol_of
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.experiment import Experiment
from fedleak.experiment.labels import labelled_attacks
from fedleak.report.conditions import Condition
from fedleak.report.judgement import BLIND
from fedleak.report.kinds import kind_of
from fedleak.results.row import Row
from fedleak.settings import FederationSettings
from fedleak.statistics.group import Group, group_rows
from fedleak.statistics.installed import installed
from fedleak.statistics.samples import Samples
from fedleak.tasks import hardened


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One attack's successes under one defense, by one metric on images, beside the most that can be."""

    group: Group
    check: Check

    @property
    def where(self) -> str:
        """Which result this is about."""
        return f"{self.group.attack} under {self.group.defense}, {self.group.metric}"


def guarantees_of(campaign: Campaign) -> dict[tuple[Condition, str], Guarantee | Unproven]:
    """What each chain proves over the recorded rounds, where it was tried; empty chains are left out."""
    return _of_each_chain(campaign, _recorded)


def whole_guarantees_of(campaign: Campaign) -> dict[tuple[Condition, str], Guarantee | Unproven]:
    """What each chain proves over the whole run, which goes on after the recorded rounds."""
    return _of_each_chain(campaign, _whole)


def bounds_of(rows: Iterable[Row], campaign: Campaign) -> list[Bound]:
    """Every attack on images under every chain that proves something, on the messages that the proof is about."""
    proven = {place: one for place, one in guarantees_of(campaign).items() if isinstance(one, Guarantee)}
    if not proven:
        return []
    sums = _revealing(campaign)
    several = _of_several_rounds(campaign)
    found = []
    for group, own in group_rows(row for row in rows if row.split == "test").items():
        place = Condition(task=group.task, setting=group.setting), group.defense
        about = "aggregate" if place in sums else "client"
        if (
            place not in proven
            or group.sender != about
            or group.algorithm in BLIND
            or kind_of(group.metric) != "inputs"
        ):
            continue
        guarantee = proven[place]
        found.append(
            Bound(group=group, check=_check(own, guarantee, guarantee.rounds if group.attack in several else 1))
        )
    return found


def _check(rows: Sequence[Row], guarantee: Guarantee, rounds: int) -> Check:
    known = installed(rows[0].metric)
    assert known is not None
    samples = Samples.of(rows)
    hits = np.bincount(samples.message, weights=samples.reach(known.threshold), minlength=len(rows)).astype(int)
    guesses = samples.guessed().guesses
    return check_success(
        guarantee,
        hits=hits.tolist(),
        sizes=np.bincount(samples.message, minlength=len(rows)).tolist(),
        seeds=[row.seed for row in rows],
        blind_hits=int((samples.sign * guesses >= samples.sign * known.threshold).sum()),
        blind_trials=len(guesses),
        rounds=rounds,
    )


def _condition(point: Point) -> Condition:
    return Condition(task=point.experiment.task, setting=tuple(sorted(point.setting.items())))


def _of_each_chain(
    campaign: Campaign, guarantee: Callable[[Experiment, tuple[Defense, ...]], Guarantee | Unproven]
) -> dict[tuple[Condition, str], Guarantee | Unproven]:
    found: dict[tuple[Condition, str], Guarantee | Unproven] = {}
    for point in campaign.points:
        for name, chain in point.experiment.build_chains().items():
            if chain and (_condition(point), name) not in found:
                found[_condition(point), name] = guarantee(point.experiment, chain)
    return found


def _recorded(experiment: Experiment, chain: tuple[Defense, ...]) -> Guarantee | Unproven:
    return _over((experiment.federation,), experiment.task, chain)


def _whole(experiment: Experiment, chain: tuple[Defense, ...]) -> Guarantee | Unproven:
    if experiment.model.trained_rounds:
        return Unproven(
            "in the rounds before the recorded ones (model.trained_rounds) clients trained on the same examples "
            "without the defenses; start from a checkpoint or from fresh weights"
        )
    return _over(experiment.phases, experiment.task, chain)


def _over(phases: tuple[FederationSettings, ...], task: str, chain: tuple[Defense, ...]) -> Guarantee | Unproven:
    # Settings as JSON: they hold a table of options, which cannot be a key, and the points of a campaign share them.
    return _proven(tuple(phase.model_dump_json() for phase in phases), task, chain)


@lru_cache(maxsize=1024)
def _proven(phases: tuple[str, ...], task: str, chain: tuple[Defense, ...]) -> Guarantee | Unproven:
    settings = tuple(FederationSettings.model_validate_json(phase) for phase in phases)
    return guarantee_of(chain, settings, hardened(task, chain))


def _revealing(campaign: Campaign) -> set[tuple[Condition, str]]:
    """Where the server learns a sum alone."""
    return {
        (_condition(point), name)
        for point in campaign.points
        for name, chain in point.experiment.build_chains().items()
        if protocol_of(chain) is not None
    }


def _of_several_rounds(campaign: Campaign) -> set[str]:
    """Labels of attacks that use other messages than the one that they are on."""
    return {
        label
        for point in campaign.points
        for label, table in labelled_attacks(point.experiment).items()
        if attacks.from_table(table).wants
    }
