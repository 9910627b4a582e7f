"""Ten federations whose noise proves less than they say, each by one known mistake, and ten sound ones, audited.

    python benchmarks/dp_bugs.py [--repeats N] [--first SEED] [--clients N]

A mistake is found where the audit calls the guarantee broken and names the mistake as its cause. Sound federations are
audited with N seeds each; one that is called broken is a false alarm. Exits 1 where a mistake is missed, or named
otherwise, or there is an alarm.
"""

import argparse
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Generator

from fedleak.accounting.composition import Sample
from fedleak.accounting.gaussian import noise_multiplier_for
from fedleak.accounting.mechanism import Mechanism, Situation
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Place
from fedleak.defenses.central_dp import CentralDP
from fedleak.defenses.dp_sgd import DPSGD
from fedleak.defenses.local_dp import LocalDP
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.defenses.user_level_dp import UserLevelDP
from fedleak.dp_audit.audit import audit_chain
from fedleak.dp_audit.options import AuditOptions
from fedleak.experiment.experiment import Experiment, parse_experiment
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.update import Update
from fedleak.randomness import generator
from fedleak.results.dp_row import DPRow

CLIENTS = 200
EPSILON, DELTA = 4.0, 1e-5


def noised(update: Update, std: float, rng: Generator) -> Update:
    """The update with normal noise."""
    vector = update.vector()
    return update.with_vector(vector + std * torch.randn(vector.shape, generator=rng))


@dataclass(frozen=True, kw_only=True)
class SensitivityTypedIn(LocalDP):
    """Flower's LocalDpMod as it is shipped in examples: sensitivity is an option of its own."""

    name: ClassVar[str] = "sensitivity-typed-in"
    typed: float = 0.01

    @property
    def std(self) -> float:
        return self.typed * noise_multiplier_for(self.epsilon, self.delta)

    def mechanism(self, situation: Situation) -> Mechanism:  # noqa: ARG002
        return Mechanism(noise=self.std, contribution=self.typed, apart=self.typed, protects="client")


@dataclass(frozen=True, kw_only=True)
class NoiseAfterwards(CentralDP):
    """A server that adds noise to the mean, taken for noise of each client."""

    name: ClassVar[str] = "noise-afterwards"

    def mechanism(self, situation: Situation) -> Mechanism:  # noqa: ARG002
        return Mechanism(noise=self.noise_multiplier * self.max_norm, contribution=self.max_norm, protects="client")


@dataclass(frozen=True, kw_only=True)
class SameNoise(LocalDP):
    """A generator that every client seeds alike."""

    name: ClassVar[str] = "same-noise"

    def protect(self, update: Update, rng: Generator) -> Update:  # noqa: ARG002
        return super().protect(update, generator("the same for all"))


@dataclass(frozen=True, kw_only=True)
class TakenForPoisson(DPSGD):
    """Batches that are always the first examples of a share, with credit for samples drawn anew."""

    name: ClassVar[str] = "taken-for-poisson"
    acts_on: ClassVar[frozenset[Place]] = frozenset({"gradient"})

    def examples(self, task: Task, examples: Batch, rng: Generator) -> Batch:  # noqa: ARG002
        return examples[torch.arange(1)]

    def mechanism(self, situation: Situation) -> Mechanism:  # noqa: ARG002
        assert self.share is not None
        sample = Sample(size=1, population=self.share)
        return Mechanism(noise=self.std, contribution=self.max_norm, protects="example", sample=sample)


@dataclass(frozen=True, kw_only=True)
class AddedOrRemoved(LocalDP):
    """Noise for clients that are there or not, where they are always there and send one thing or another."""

    name: ClassVar[str] = "added-or-removed"

    @property
    def std(self) -> float:
        return self.max_norm * noise_multiplier_for(self.epsilon, self.delta)

    def mechanism(self, situation: Situation) -> Mechanism:  # noqa: ARG002
        return Mechanism(noise=self.std, contribution=self.max_norm, apart=self.max_norm, protects="client")


@dataclass(frozen=True, kw_only=True)
class AnyWeights(UserLevelDP):
    """Shares of the noise of a sum, whatever weight clients have in it."""

    name: ClassVar[str] = "any-weights"

    def mechanism(self, situation: Situation) -> Mechanism:
        noise = self.std * math.sqrt(situation.summands)
        return Mechanism(noise=noise, contribution=self.max_norm, protects="client")


@dataclass(frozen=True, kw_only=True)
class BareBuffers(LocalDP):
    """Noise on the parameters, and none on the statistics of BatchNorm that travel beside them."""

    name: ClassVar[str] = "bare-buffers"

    def mechanism(self, situation: Situation) -> Mechanism:  # noqa: ARG002
        return Mechanism(noise=self.std, contribution=self.max_norm, protects="client", buffers=True)


@dataclass(frozen=True, kw_only=True)
class ClippedAfterwards(LocalDP):
    """Noise first, and the clip over both."""

    name: ClassVar[str] = "clipped-afterwards"

    def protect(self, update: Update, rng: Generator) -> Update:
        return noised(update, self.std, rng).clipped(self.max_norm)


@dataclass(frozen=True, kw_only=True)
class ClippedByLayer(LocalDP):
    """Each tensor clipped to the norm that noise is reckoned for."""

    name: ClassVar[str] = "clipped-by-layer"

    def relaxed(self, given: Update) -> Update:
        clipped = {
            name: value * min(1.0, self.max_norm / max(float(value.norm()), 1e-12))
            for name, value in given.tensors.items()
        }
        return Update(clipped, given.kind)


@dataclass(frozen=True, kw_only=True)
class HalfNoise(LocalDP):
    """Noise drawn in half precision."""

    name: ClassVar[str] = "half-noise"

    def protect(self, update: Update, rng: Generator) -> Update:
        vector = self.relaxed(update).vector()
        noise = self.std * torch.randn(vector.shape, generator=rng, dtype=torch.float16)
        return update.with_vector(vector + noise.to(vector.dtype))


@dataclass(frozen=True, kw_only=True)
class Federation:
    """What is audited."""

    chain: Chain
    federation: Mapping[str, Any] = field(default_factory=dict)
    task: str = "digits-mlp"
    clients: int | None = None
    """None: as many as the benchmark is asked for."""

    def experiment(self, clients: int) -> Experiment:
        """The experiment that it is of."""
        federation = {"clients": self.clients or clients, "rounds": 2, **self.federation}
        return parse_experiment({"name": "bugs", "task": self.task, "attacks": [], "federation": federation})

    def audited(self, clients: int, options: AuditOptions) -> DPRow:
        """What the audit says."""
        return audit_chain(self.experiment(clients), "chain", self.chain, options).row


def local(kind: type[LocalDP], **options: Any) -> Federation:
    """A chain of one of these."""
    return Federation(chain=Chain((kind(epsilon=EPSILON, delta=DELTA, max_norm=1.0, **options),)))


def shared(clients: int, kind: type[UserLevelDP] = UserLevelDP) -> Chain:
    """Noise that clients share, under secure aggregation."""
    noise = kind(max_norm=1.0, noise_multiplier=2.0, clients=clients)
    return Chain((noise, SecureAggregation(keys="seeded")))


def bugs(clients: int = CLIENTS) -> dict[str, Federation]:
    """The ten mistakes, by the cause that is to be named."""
    return {
        "sensitivity apart from the clip": local(SensitivityTypedIn),
        "noise after aggregation": Federation(chain=Chain((NoiseAfterwards(noise_multiplier=2.0),))),
        "same noise for every client": local(SameNoise),
        "participation is no secret": Federation(
            chain=Chain((TakenForPoisson(noise_multiplier=2.0, share=50),)),
            federation={"batches": "all", "rounds": 20},
            clients=20,
        ),
        "replace-one forgotten": local(AddedOrRemoved),
        "unequal weights": Federation(
            chain=shared(clients, AnyWeights), federation={"batches": "all"}, clients=clients
        ),
        "buffers unprotected": replace(local(BareBuffers), task="digits-bn-convnet"),
        "noise before the clip": local(ClippedAfterwards),
        "clipped layer by layer": local(ClippedByLayer),
        "noise on a coarse grid": local(HalfNoise),
    }


def sound(clients: int = CLIENTS) -> dict[str, Federation]:
    """Ten federations that keep what they say."""
    named = {
        "local-dp, epsilon 1": [{"use": "local-dp", "epsilon": 1.0, "delta": DELTA, "max_norm": 1.0}],
        "local-dp, epsilon 4": [{"use": "local-dp", "epsilon": 4.0, "delta": DELTA, "max_norm": 0.1}],
        "local-dp, epsilon 10": [{"use": "local-dp", "epsilon": 10.0, "delta": DELTA, "max_norm": 5.0}],
        "clipping and noise": [{"use": "clipping", "max_norm": 1.0}, {"use": "gaussian-noise", "std": 2.0}],
        "no buffers": [
            {"use": "group-norm"},
            {"use": "local-dp", "epsilon": 4.0, "delta": DELTA, "max_norm": 1.0},
        ],
        "shared noise, messages": [
            {"use": "user-level-dp", "max_norm": 1.0, "noise_multiplier": 20.0, "clients": clients}
        ],
        "central-dp, models": [{"use": "central-dp", "noise_multiplier": 2.0}],
        "dp-sgd": [{"use": "dp-sgd", "noise_multiplier": 2.0}],
        "dp-sgd, epsilon of the run": [{"use": "dp-sgd", "epsilon": 8.0, "delta": DELTA}],
    }
    chains = {name: Federation(chain=Chain.build(tuple(chain))) for name, chain in named.items()}
    chains["no buffers"] = replace(chains["no buffers"], task="digits-bn-convnet")
    return {**chains, "shared noise, sum": Federation(chain=shared(clients), clients=clients)}


def say(line: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(repeats: int, clients: int, first: int = 0) -> int:
    """Prints a line for each; returns the exit status."""
    wrong = 0
    for cause, federation in bugs(clients).items():
        started = time.monotonic()
        row = federation.audited(clients, AuditOptions(error=0.1))
        found = row.verdict == "broken" and row.cause == cause
        wrong += not found
        say(f"{'found' if found else 'MISSED'}  {cause}: {row.sentence} ({time.monotonic() - started:.1f} s)")
    for name, federation in sound(clients).items():
        started = time.monotonic()
        rows = [
            federation.audited(clients, AuditOptions(error=0.2, seed=seed)) for seed in range(first, first + repeats)
        ]
        alarms = [row for row in rows if row.verdict == "broken"]
        wrong += len(alarms)
        inside = sum(row.low <= row.ideal <= row.high for row in rows)
        say(
            f"{len(alarms)} alarms of {len(rows)}  {name}: interval holds the analytic epsilon {inside} times "
            f"({time.monotonic() - started:.1f} s){''.join(f'; {row.sentence}' for row in alarms)}"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, help="seeds of each sound federation")
    parser.add_argument("--first", type=int, default=0, help="the first of these seeds")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    given = parser.parse_args()
    sys.exit(main(given.repeats, given.clients, given.first))
