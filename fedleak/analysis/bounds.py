"""Reconstruction robustness: what a chain proves, how often any attack can succeed under it, and what did."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from fedleak.accounting.guarantee import Guarantee
from fedleak.analysis.conditions import Tried, chains_in, condition_of, condition_of_point
from fedleak.analysis.guarantees import guarantees_of
from fedleak.analysis.judgement import BASELINES, kind_of
from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import ExampleMetric, metrics
from fedleak.data.splits import Splits, load
from fedleak.errors import BoundError, ConfigError, DataError
from fedleak.evaluation.constant_guesses import UNKNOWN, BlindSuccess, blind_success, blind_values
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.naming import labeled_attacks
from fedleak.results.row import Row
from fedleak.settings.task import TaskSettings
from fedleak.statistics.group import Group, group_rows
from fedleak.statistics.intervals import Interval
from fedleak.statistics.samples import Samples, share_interval
from fedleak.statistics.summary import threshold_of
from fedleak.tasks import source_of


@dataclass(frozen=True, kw_only=True)
class Check:
    """A measured share of successes beside its bound: one that beats it is a bug of the run."""

    bound: float
    """At the prior; NaN where no blind guess could be tried."""
    bound_at_most: float
    """At the upper confidence limit of the prior: few blind guesses that all fail do not make success impossible."""
    measured: float
    interval: Interval
    prior: float
    """The chance of the best blind guess, as often as a message has examples to guess; at most 1."""
    guarantee: Guarantee
    half: float = math.nan
    """See `half_bound`; NaN where no blind guess could be tried."""

    @property
    def beaten(self) -> bool:
        """Whether the lower confidence limit of what was measured is above what the bound can be at most."""
        return self.interval.low > self.bound_at_most

    @property
    def sentence(self) -> str:
        """`12% succeeded (3% to 31%), at most 40% can: local-dp: ...`."""
        interval = f"{self.interval.low:.3g} to {self.interval.high:.3g}, {self.interval.method}"
        success, under = f"success {self.measured:.3g} ({interval})", f"under {self.guarantee.sentence}"
        if math.isnan(self.prior):
            return f"{success}; without public data to try blind guesses on there is no bound {under}"
        return (
            f"{success}, {self.prior:.3g} by the best blind guess; no attack exceeds "
            f"{self.bound:.3g} ({self.bound_at_most:.3g} where the prior is uncertain) {under}"
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

    def require(self) -> None:
        """Raises `BoundError` where it is beaten."""
        self.check.require()


def bounds_of(rows: Iterable[Row], campaign: Campaign) -> list[Bound]:
    """Every attack on images under every chain that proves something, on the messages that the proof is about."""
    proven = {place: one for place, one in guarantees_of(campaign).items() if isinstance(one, Guarantee)}
    if not proven:
        return []
    sums, several = _revealing(campaign), _of_several_rounds(campaign)
    tasks = {condition_of_point(point): point.experiment.task for point in campaign.points}
    bounds = []
    for group, members in group_rows(row for row in rows if row.split == "test").items():
        place = condition_of(group), group.defense
        about = "aggregate" if place in sums else "client"
        if place in proven and group.sender == about and _reconstructs(group):
            guarantee = proven[place]
            # The weights that a message starts from tell of the rounds before.
            rounds = guarantee.rounds if group.attack in several else max(row.round for row in members)
            bounds.append(_bound(group, tasks[condition_of(group)], members, guarantee, rounds))
    return bounds


def check_success(
    guarantee: Guarantee,
    *,
    hits: Sequence[int],
    sizes: Sequence[int],
    seeds: Sequence[int],
    blind: BlindSuccess,
    rounds: int = 1,
) -> Check:
    """The share of successes of an attack under a guarantee.

    For each message how many of its examples leaked, how many it has, and its seed; then how often the best guess that
    is made without the update passes the same threshold. Who guesses a batch has a guess for each example, and they are
    matched with the truth afterwards, so that each example may be met by any of them (the union bound). `rounds` is how
    many messages about the same examples the attack used.
    """
    trials, guesses = sum(sizes), max(sizes, default=1)
    shift = guarantee.over(rounds).shift
    prior, most = (min(guesses * share, 1.0) for share in (blind.share, blind.at_most))
    return Check(
        bound=math.nan if math.isnan(prior) else gaussian_success(prior, shift),
        bound_at_most=gaussian_success(most, shift),
        measured=sum(hits) / trials if trials else math.nan,
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


def _revealing(campaign: Campaign) -> set[Tried]:
    """Where the server learns a sum alone."""
    protocols = {place: chain.protocol for place, chain in chains_in(campaign).items()}
    return {place for place, protocol in protocols.items() if protocol is not None and protocol.reveals == "sum"}


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


def _bound(group: Group, task: TaskSettings, rows: Sequence[Row], guarantee: Guarantee, rounds: int) -> Bound:
    """A success is an image that leaked: past the threshold, and beyond what colors and public examples come to."""
    metric = metrics.get(rows[0].metric)
    samples, threshold = Samples.of(rows), threshold_of(rows)
    leaked = samples.leaked(threshold, metric.margin)
    sizes = np.bincount(samples.message, minlength=len(rows)).tolist()
    judged, splits = metrics.build(metric.name, {}), _splits_of(task)
    blind, half, guesses = UNKNOWN, math.nan, max(sizes, default=1)
    if isinstance(judged, ExampleMetric) and splits is not None:
        blind = blind_success(judged, splits, threshold)
        half = half_bound(judged, splits, guesses, guarantee.over(rounds).shift)
    check = check_success(
        guarantee,
        hits=np.bincount(samples.message, weights=leaked, minlength=len(rows)).astype(int).tolist(),
        sizes=sizes,
        seeds=[row.seed for row in rows],
        blind=blind,
        rounds=rounds,
    )
    return Bound(group=group, check=replace(check, half=half))


def half_bound(metric: ExampleMetric, splits: Splits, guesses: int, shift: float) -> float:
    """The value of a metric that no attack exceeds on more than half of examples of which only the kind was known.

    For every value the chance of the best of the constant guesses, at its upper confidence limit and as often as there
    are `guesses`, stands for the prior of an attacker to whom an example may be any of its kind, and bounds its chance
    with the update (`gaussian_success`); this is the weakest value at which that is one half at most. Who knows more,
    as that it is one of two photos, has another prior and no such bound. It takes priors into account, as the Fisher
    information does not, which bounds unbiased attackers alone.
    Infinite where that is nowhere so, and NaN where no blind guess can be judged.
    """
    values = blind_values(metric, splits)
    if values is None:
        return math.nan
    sign = 1.0 if metric.higher_is_better else -1.0

    def rare(value: float) -> bool:
        blind = blind_success(metric, splits, sign * value)
        return gaussian_success(min(guesses * blind.at_most, 1.0), shift) <= 0.5

    found = np.unique(values[values.isfinite()].numpy()).tolist()
    found.append(math.nextafter(found[-1], math.inf))
    place = bisect_left(found, 1, key=lambda value: int(rare(value)))
    return sign * found[place] if place < len(found) else sign * math.inf


def _splits_of(task: TaskSettings) -> Splits | None:
    """None on a machine that has not got the data."""
    try:
        return load(source_of(task))
    except (ConfigError, DataError):
        return None
