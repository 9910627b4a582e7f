"""Epsilon against other accountants on random settings: ours is never below theirs for the same sampler.

    python benchmarks/epsilon.py [--settings N] [--seed SEED]

What a chain claims is held against events that are put together here from the description of each mechanism: its noise,
its clipping norm, and who is in a release. The accountants are dp-accounting's of privacy losses, exact for normal
noise, and Flower's own. All are about replace-one, but for Flower's without credit for sampling, which knows only
add-or-remove. A sample of fixed size that is secret has no tight accountant there; in its place stands the epsilon that
two neighbors attain for certain (all contributions the same but for one that is opposite), which no valid one is below.
"""

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dp_accounting import GaussianDpEvent, NeighboringRelation, PoissonSampledDpEvent
from dp_accounting.pld import PLDAccountant
from flwr.supercore import privacy_accounting as flower
from flwr.supercore.differential_privacy import compute_stdv
from flwr.supercore.privacy_accounting.rdp_accountant import RdpAccountant

from fedleak.accounting.guarantee import Guarantee
from fedleak.accounting.mechanism import Vantage
from fedleak.contracts.chain import Chain
from fedleak.defenses.local_dp import LocalDP
from fedleak.settings.base import Table, parse_settings
from fedleak.settings.federation import PlanSettings
from fedleak.tasks import task_of

ROUNDING = 1e-6
"""By what share an accountant's own grid of privacy losses may put it above the exact figure."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One run: what the file says, and what it means for one of the protected."""

    chain: tuple[Table, ...]
    federation: Table
    delta: float
    std: float
    """Of the noise in a release."""
    norm: float
    """Of a contribution to it, at most."""
    releases: int
    """Of a round that a contribution is in."""
    view: Vantage | None = None
    sample: int = 1
    population: int = 1

    @property
    def rounds(self) -> int:
        return int(self.federation["rounds"])

    @property
    def ours(self) -> Guarantee:
        run = parse_settings(PlanSettings, {"task": "digits-mlp", "federation": self.federation})
        found = Chain.build(self.chain).planned(run.phases).guarantee(run.phases, task_of(run.task), view=self.view)
        assert isinstance(found, Guarantee), found
        return found


def steps(draw: random.Random) -> Setting:
    """DP-SGD: an example is in one step of each epoch."""
    clip, noise, batch = draw.uniform(0.1, 5), draw.uniform(0.5, 20), draw.randint(1, 16)
    epochs, batches, secret = draw.randint(1, 3), draw.randint(1, 3), draw.random() < 0.5
    share = draw.choice([2, 10, 100]) * batch * batches
    chain: Table = {"use": "dp-sgd", "max_norm": clip, "noise_multiplier": noise} | ({"share": share} if secret else {})
    federation = {"batch_size": batch, "batches": batches, "epochs": epochs, "rounds": draw.randint(1, 30)}
    sample = {"sample": batch * batches, "population": share} if secret else {}
    return _of(draw, (chain,), federation, std=noise * clip, norm=clip, releases=epochs, **sample)


def messages(draw: random.Random) -> Setting:
    """Clipping and noise on each client's update, which the server sees; as much as is given, or as epsilon asks."""
    clip, std, rounds = draw.uniform(0.1, 5), draw.uniform(0.5, 50), {"rounds": draw.randint(1, 30)}
    chain: list[Table] = [{"use": "clipping", "max_norm": clip}, {"use": "gaussian-noise", "std": std}]
    if draw.random() < 0.5:
        asked = LocalDP(epsilon=draw.uniform(0.2, 20), delta=10 ** -draw.uniform(3, 8), max_norm=clip)
        chain, std = Chain((asked,)).tables, asked.std
    return _of(draw, tuple(chain), rounds, std=std, norm=clip, releases=1)


def sums(draw: random.Random) -> Setting:
    """Noise that all clients share, of which a sum over some has less; the server knows who they are."""
    clip, noise, clients = draw.uniform(0.1, 5), draw.uniform(0.5, 20), draw.randint(4, 100)
    cohort, options = _some(draw, clients)
    users = {"use": "user-level-dp", "max_norm": clip, "noise_multiplier": noise, "clients": clients}
    federation = {"clients": clients, "rounds": draw.randint(1, 30), "strategy_options": options}
    std = noise * clip * math.sqrt(cohort / clients)
    return _of(draw, (users, {"use": "secure-aggregation"}), federation, std=std, norm=clip, releases=1)


def models(draw: random.Random) -> Setting:
    """Flower's central noise, by Flower's own formula, for those who see averaged models only."""
    clip, noise, clients = draw.uniform(0.1, 5), draw.uniform(0.5, 20), draw.randint(4, 100)
    cohort, options = _some(draw, clients)
    chain = ({"use": "central-dp", "max_norm": clip, "noise_multiplier": noise},)
    federation = {"clients": clients, "rounds": draw.randint(1, 30), "strategy_options": options}
    std, norm = compute_stdv(noise, clip, cohort), clip / cohort  # of a mean
    sample = {"sample": cohort, "population": clients}
    return _of(draw, chain, federation, std=std, norm=norm, releases=1, view="model", **sample)


KINDS: tuple[Callable[[random.Random], Setting], ...] = (steps, steps, messages, sums, models)


def theirs(one: Setting, sampled: bool) -> Iterator[tuple[str, float]]:
    """What each accountant says of the mechanism, with credit for sampling only where we took some."""
    ratio, count = one.std / one.norm, one.rounds * one.releases
    if not sampled:
        known = PLDAccountant(NeighboringRelation.REPLACE_ONE).compose(GaussianDpEvent(ratio), count)
        yield "dp-accounting, privacy losses", float(known.get_epsilon(one.delta))
        yield "Flower, no amplification", _flower(one, ratio, count, "ADD_OR_REMOVE_ONE", "NO_AMPLIFICATION")
        return
    # A round's releases about one sample are one release with less noise; neighbors are two contributions apart.
    noise = ratio / 2 / math.sqrt(one.releases)
    event = PoissonSampledDpEvent(one.sample / one.population, GaussianDpEvent(noise))
    attained = PLDAccountant(value_discretization_interval=1e-3).compose(event, one.rounds)
    yield "dp-accounting, attained", float(attained.get_epsilon(one.delta))
    yield "Flower, without replacement", _flower(one, noise, one.rounds, "REPLACE_ONE", "WITHOUT_REPLACEMENT")


def _flower(one: Setting, noise: float, count: int, relation: str, sampling: str) -> float:
    accountant = RdpAccountant(
        flower.PrivacyConfig(
            target_delta=one.delta,
            population_size=one.population,
            neighboring_relation=flower.NeighboringRelation[relation],
            sampling_method=flower.SamplingMethod[sampling],
        )
    )
    event = flower.GaussianPrivacyEvent(noise_multiplier=noise, sample_size=one.sample, population_size=one.population)
    accountant.compose(event, count)
    return accountant.get_epsilon(one.delta)


def _some(draw: random.Random, clients: int) -> tuple[int, Table]:
    fraction = draw.choice([0.1, 0.5, 1.0])
    least = draw.randint(2, 4)
    return max(int(clients * fraction), least), {"fraction_train": fraction, "min_train_nodes": least}


def _of(draw: random.Random, chain: tuple[Table, ...], federation: Table, **facts: object) -> Setting:
    return Setting(chain=chain, federation=federation, delta=10 ** -draw.uniform(3, 8), **facts)  # type: ignore[arg-type]


def main() -> None:
    """Prints violations and the worst ratio for each accountant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draw, started = random.Random(asked.seed), time.process_time()
    ratios: dict[str, list[float]] = {}
    for place in range(asked.settings):
        setting = KINDS[place % len(KINDS)](draw)
        claim = setting.ours
        for name, epsilon in theirs(setting, claim.sampled(setting.delta)):
            ratios.setdefault(name, []).append(claim.epsilon(setting.delta) / epsilon if epsilon else math.inf)
    for name, found in ratios.items():
        below = sum(one < 1 - ROUNDING for one in found)
        sys.stdout.write(
            f"{name}: {len(found)} settings, {below} violations, ours over theirs at least {min(found):.7f}\n"
        )
    sys.stdout.write(f"{asked.settings} settings, {time.process_time() - started:.0f} s of processor time\n")


if __name__ == "__main__":
    main()
