"""Reconstruction robustness: what a chain proves, how often any attack can succeed under it, and what did."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.analysis.conditions import Tried, chains_in, condition_of, condition_of_point
from fedleak.analysis.judgement import BASELINES, kind_of
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.errors import BoundError
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.experiment import Experiment
from fedleak.experiment.naming import labeled_attacks
from fedleak.results.row import Row
from fedleak.settings import FederationSettings
from fedleak.statistics.group import Group, group_rows, installed
from fedleak.statistics.intervals import Interval, clopper_pearson
from fedleak.statistics.samples import Samples, share_interval
from fedleak.tasks import hardened

Proofs = dict[Tried, Guarantee | Unproven]
"""What each chain proves where it was tried."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A measured share of successes beside its bound: one that beats it is a bug of the run."""

    bound: float
    """At the prior; NaN where no blind guess was made."""
    bound_at_most: float
    """At the upper confidence limit of the prior: few blind guesses that all fail do not make success impossible."""
    measured: float
    interval: Interval
    prior: float
    guarantee: Guarantee

    @property
    def beaten(self) -> bool:
        """Whether the lower confidence limit of what was measured is above what the bound can be at most."""
        return self.interval.low > self.bound_at_most

    @property
    def sentence(self) -> str:
        """`12% succeeded (3% to 31%), at most 40% can: local-dp: ...`."""
        interval = f"{self.interval.low:.3g} to {self.interval.high:.3g}, {self.interval.method}"
        return (
            f"success {self.measured:.3g} ({interval}), {self.prior:.3g} by blind guesses; no attack exceeds "
            f"{self.bound:.3g} ({self.bound_at_most:.3g} where the prior is uncertain) under {self.guarantee.sentence}"
        )

    def require(self) -> None:
        """Raises `BoundError` where the bound is beaten."""
        if self.beaten:
            raise BoundError(
                f"a result beats a proven bound, so the noise, the accounting or the scoring of this run is wrong: "
                f"{self.sentence}"
            )


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One attack's successes under one defense, by one metric on images, beside the most that can be."""

    group: Group
    check: Check

    @property
    def where(self) -> str:
        """Which result this is about."""
        return f"{self.group.attack} under {self.group.defense}, {self.group.metric}"


def bounds_of(rows: Iterable[Row], campaign: Campaign) -> list[Bound]:
    """Every attack on images under every chain that proves something, on the messages that the proof is about."""
    proven = {place: one for place, one in guarantees_of(campaign).items() if isinstance(one, Guarantee)}
    if not proven:
        return []
    sums, several = _revealing(campaign), _of_several_rounds(campaign)
    bounds = []
    for group, members in group_rows(row for row in rows if row.split == "test").items():
        place = condition_of(group), group.defense
        about = "aggregate" if place in sums else "client"
        if place in proven and group.sender == about and _reconstructs(group):
            guarantee = proven[place]
            rounds = guarantee.rounds if group.attack in several else 1
            bounds.append(Bound(group=group, check=_check(members, guarantee, rounds)))
    return bounds


def check_success(
    guarantee: Guarantee,
    *,
    hits: Sequence[int],
    sizes: Sequence[int],
    seeds: Sequence[int],
    blind_hits: int,
    blind_trials: int,
    rounds: int = 1,
) -> Check:
    """The share of successes of an attack under a guarantee.

    For each message how many of its examples were reconstructed (PSNR above some threshold, say), how many it has, and
    its seed; then the same threshold for guesses that were made without the update, the best that are known. `rounds`
    is how many messages about the same examples the attack used.
    """
    trials = sum(sizes)
    shift = guarantee.over(rounds).shift
    prior = blind_hits / blind_trials if blind_trials else float("nan")
    most = clopper_pearson(float(blind_hits), blind_trials, "blind guesses").high if blind_trials else 1.0
    return Check(
        bound=gaussian_success(prior, shift) if blind_trials else float("nan"),
        bound_at_most=gaussian_success(most, shift),
        measured=sum(hits) / trials if trials else float("nan"),
        interval=share_interval(hits, sizes, seeds),
        prior=prior,
        guarantee=guarantee.over(rounds),
    )


def gaussian_success(prior: float, shift: float) -> float:
    """`Φ(Φ⁻¹(prior) + shift)`: the highest chance of success of any attack, with any knowledge, on normal noise.

    `shift` is `sqrt(T) / z` for T releases whose noise is z times the contribution (`Guarantee.shift`). The prior at
    0, 1 at infinity; tight. Sources: Hayes et al. 2023, https://arxiv.org/abs/2302.07225; Kaissis et al. 2023,
    https://arxiv.org/abs/2307.03928.
    """
    if prior <= 0:
        return 0.0 if math.isfinite(shift) else 1.0
    if prior >= 1 or math.isinf(shift):
        return 1.0
    return float(ndtr(ndtri(prior) + shift))


def guarantees_of(campaign: Campaign) -> Proofs:
    """What each chain proves over the recorded rounds, where it was tried; empty chains are left out."""
    return _of_each_chain(campaign, _recorded)


def whole_guarantees_of(campaign: Campaign) -> Proofs:
    """What each chain proves over the whole run, which goes on after the recorded rounds."""
    return _of_each_chain(campaign, _whole)


def _revealing(campaign: Campaign) -> set[Tried]:
    """Where the server learns a sum alone."""
    return {place for place, chain in chains_in(campaign).items() if chain.protocol is not None}


def _of_several_rounds(campaign: Campaign) -> set[str]:
    """Labels of attacks that use other messages than the one that they are on."""
    return {
        label
        for point in campaign.points
        for label, table in labeled_attacks(point.experiment).items()
        if attacks.from_table(table).requires
    }


def _reconstructs(group: Group) -> bool:
    """Whether the figure is of an attack on images that uses the update."""
    return group.algorithm not in BASELINES and kind_of(group.metric) == "inputs"


def _check(rows: Sequence[Row], guarantee: Guarantee, rounds: int) -> Check:
    metric = installed(rows[0].metric)
    assert metric is not None
    samples = Samples.of(rows)
    hits = np.bincount(samples.message, weights=samples.reach(metric.threshold), minlength=len(rows)).astype(int)
    guesses = samples.guessed().guesses
    return check_success(
        guarantee,
        hits=hits.tolist(),
        sizes=np.bincount(samples.message, minlength=len(rows)).tolist(),
        seeds=[row.seed for row in rows],
        blind_hits=int((samples.sign * guesses >= samples.sign * metric.threshold).sum()),
        blind_trials=len(guesses),
        rounds=rounds,
    )


def _of_each_chain(campaign: Campaign, guarantee: Callable[[Experiment, Chain], Guarantee | Unproven]) -> Proofs:
    found: Proofs = {}
    for point in campaign.points:
        for name, chain in point.experiment.build_chains().items():
            if chain and (condition_of_point(point), name) not in found:
                found[condition_of_point(point), name] = guarantee(point.experiment, chain)
    return found


def _recorded(experiment: Experiment, chain: Chain) -> Guarantee | Unproven:
    return _over((experiment.federation,), experiment.task, chain)


def _over(phases: tuple[FederationSettings, ...], task: str, chain: Chain) -> Guarantee | Unproven:
    # Settings as JSON: they hold a table of options, which cannot be a key, and the points of a campaign share them.
    return _proven(tuple(phase.model_dump_json() for phase in phases), task, chain)


@lru_cache(maxsize=1024)
def _proven(phases: tuple[str, ...], task: str, chain: Chain) -> Guarantee | Unproven:
    settings = tuple(FederationSettings.model_validate_json(phase) for phase in phases)
    return chain.guarantee(settings, hardened(task, chain))


def _whole(experiment: Experiment, chain: Chain) -> Guarantee | Unproven:
    if experiment.model.trained_rounds:
        return Unproven(
            "in the rounds before the recorded ones (model.trained_rounds) clients trained on the same examples "
            "without the defenses; start from a checkpoint or from fresh weights"
        )
    return _over(experiment.phases, experiment.task, chain)
