"""Subject of an audit: a chain of defenses as it acts in a run, seen from somewhere, with what is claimed of it."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

from fedleak.accounting.declared import Declared
from fedleak.accounting.gaussian import epsilon_of
from fedleak.accounting.guarantee import Guarantee
from fedleak.accounting.mechanism import Mechanism, Vantage
from fedleak.contracts.chain import Chain
from fedleak.dp_audit.canaries import Canaries, Layout
from fedleak.dp_audit.channel import CanaryFederation
from fedleak.dp_audit.example_canaries import Draw, ExampleCanaries
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import seed_of
from fedleak.settings.federation import FederationSettings
from fedleak.settings.task import TaskSettings

LOUD = 16.0
"""Norm of a canary before the defenses, as a multiple of what may contribute at most."""
SMALL = 16
"""Clients of a probe of messages."""
ENTRIES = 64
"""Of a gradient canary, or as many as there are in a share."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is audited."""

    name: str
    """Of the chain."""
    task: Task
    """With the network that is trained under the chain."""
    settings: TaskSettings
    chain: Chain
    """As it acts in a run."""
    federation: FederationSettings
    """How clients train under the chain."""
    view: Vantage
    guarantee: Guarantee
    """What is accounted for, over the recorded rounds."""
    declared: Declared | None
    canaries: int
    """Clients that are canaries."""
    seed: int
    drawn: Draw | None = None
    """Which examples a client uses in a round, where that is claimed to be a secret."""

    @property
    def mechanism(self) -> Mechanism:
        """What is claimed of one round."""
        return self.guarantee.mechanism

    @property
    def mu(self) -> float:
        """What is claimed of one release: how far apart it makes neighbors, in units of the noise."""
        return 1 / self.mechanism.noise_multiplier

    @property
    def growth(self) -> float:
        """What mu grows by over all releases of the run."""
        return self.guarantee.mu / self.mu

    @property
    def of_examples(self) -> bool:
        """Whether single examples are protected, so that canaries are examples and not updates."""
        return self.mechanism.protects == "example"

    @property
    def per_release(self) -> int:
        """Scores of one round of all clients."""
        return self.canaries * (self.batch if self.of_examples else 1)

    @property
    def batch(self) -> int:
        """Examples of a step."""
        return self.federation.batch_size

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each tensor of an update."""
        return tuple(value.numel() for value in Weights.of(self.task.network).parameters.values())

    @property
    def dimension(self) -> int:
        """Of what is seen: an update, or the sum of gradients of a step."""
        return max(ENTRIES, self.batch) if self.of_examples else sum(self.sizes)

    def federate(
        self,
        purpose: str,
        rounds: int,
        *,
        layout: Layout = "whole",
        norm: float = LOUD,
        small: bool = False,
        counts: dict[int, int] | None = None,
        buffers: float = 0.0,
    ) -> CanaryFederation:
        """A federation with canaries of the norm, as a multiple of what may contribute at most.

        A small one has a few clients and plain averaging, as what messages carry does not go by either.
        """
        changes: dict[str, object] = {"rounds": rounds}
        if small:
            changes |= {"clients": SMALL, "strategy": "FedAvg", "strategy_options": {}}
        return CanaryFederation(
            task=self.task,
            settings=self.settings,
            chain=self.chain,
            federation=self.federation.model_copy(update=changes),
            canaries=Canaries(
                count=SMALL if small else self.canaries,
                sizes=self.sizes,
                norm=norm * self.mechanism.contribution,
                seed=seed_of(self.seed, "canaries", layout),
                layout=layout,
            ),
            seed=seed_of(self.seed, purpose) % 2**62,
            counts=counts or {},
            buffers=buffers,
        )

    def stepping(self, purpose: str, rounds: int, *, clients: int, share: int | None = None) -> ExampleCanaries:
        """Clients whose examples are canaries: those of a step, or a whole share that steps draw from."""
        count = share or self.batch
        return ExampleCanaries(
            chain=self.chain,
            canaries=Canaries(
                count=count,
                sizes=(max(ENTRIES, count),),
                norm=LOUD * self.mechanism.contribution,
                seed=seed_of(self.seed, purpose),
                layout="apart",
            ),
            clients=clients,
            rounds=rounds,
            batch=self.batch,
            seed=seed_of(self.seed, purpose) % 2**62,
            steady=share is not None,
            drawn=self.drawn if share else None,
        )

    def reseeded(self, *words: object) -> "Subject":
        """The same with other coins and other noise."""
        return replace(self, seed=seed_of(self.seed, *words) % 2**62)

    def ideal(self, delta: float) -> float:
        """Epsilon of one release that an ideal attacker can show, by noise and contribution as they are claimed."""
        apart = 2 * self.mechanism.contribution / self.mechanism.noise if self.mechanism.noise else math.inf
        return epsilon_of(delta, apart)
