"""Mechanisms: what a defense adds to what it releases, in the accountants' terms."""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

from fedleak.accounting.composition import Releases
from fedleak.accounting.sampling import Poisson, Sample
from fedleak.settings.federation import FederationSettings

Vantage = Literal["message", "sum", "model"]
"""What an adversary sees: single messages, only their sum (secure aggregation), or only the averaged models."""
Unit = Literal["example", "client"]
Beside = tuple[str, ...]
"""What the training code does in a client's round beside training, by name, up to when the update is made."""
RELATION: Final = "replace-one"
"""The neighboring relation of every figure but of Poisson samples: one of the protected has any other in its place.

Batches and cohorts have a fixed size that everybody knows, so nothing can be added or removed unseen."""
ADD_OR_REMOVE: Final = "add-or-remove"
"""That of Poisson samples, the size of which nobody knows: one of the protected is there or is not."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Where a defense acts: what it needs to know to say what it guarantees."""

    federation: FederationSettings
    """How clients train under the chain."""
    view: Vantage = "message"
    norm: float = math.inf
    """Greatest norm of the updates that the defense is given; infinity where nothing before it bounds them."""
    grid: float = 0.0
    """Step of the grid that each client's part of a sum is rounded to before it is added; infinite: it is also cut."""
    survivors: int | None = None
    """Fewest clients that what is seen may be a sum of, as others leave; None: all that the strategy asks."""
    beside: Beside = ()

    @property
    def summands(self) -> int:
        """Clients whose noise is sure to be in what is seen."""
        asked = cohort_of(self.federation)
        return asked if self.survivors is None else min(asked, self.survivors)


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """Normal noise on something to which what is protected contributes a vector of limited length."""

    noise: float
    """Standard deviation of each entry."""
    contribution: float
    """Greatest norm of what one of the protected adds, in the units of the noise."""
    protects: Unit
    releases: int = 1
    """Of one round that the same contribution is in at most."""
    sample: Sample | Poisson | None = None
    """Of the protected, who is in a round, or of Poisson samples in one release; None: all are, or the adversary may
    see who."""
    apart: float | None = None
    """Greatest distance of two contributions, where that is less than twice the greatest norm; None: it is that."""
    once: bool = False
    """Whether a run has these releases once, however many rounds it has."""
    buffers: bool = False
    """Whether the network's buffers are under the noise too, or made of what is; else they have to stay at home."""

    @property
    def relation(self) -> str:
        """What neighboring cases differ in."""
        return ADD_OR_REMOVE if isinstance(self.sample, Poisson) else RELATION

    @property
    def sensitivity(self) -> float:
        """How far apart what is released without noise can be in neighboring cases: see `relation`."""
        if isinstance(self.sample, Poisson):
            return self.contribution
        return 2 * self.contribution if self.apart is None else self.apart

    @property
    def noise_multiplier(self) -> float:
        """Noise as a multiple of the sensitivity; 0 where nothing limits the contribution."""
        return _ratio(self.noise, self.sensitivity)

    @property
    def shift(self) -> float:
        """Contribution as a multiple of the noise: how far one release can be from noise that knows nothing of it."""
        return _ratio(self.contribution, self.noise) if self.noise else math.inf

    @property
    def unsampled(self) -> "Mechanism":
        """The same for contributions that are known to be in, under the same relation."""
        return replace(self, sample=Poisson(rate=1.0) if isinstance(self.sample, Poisson) else None)

    def over(self, rounds: int) -> Releases:
        """So many rounds for an accountant: a contribution that is in a round is in all of its releases at once.

        Poisson samples are drawn anew for each release.
        """
        if isinstance(self.sample, Poisson):
            count = rounds * self.releases
            return Releases(noise_multiplier=self.noise_multiplier, sample=self.sample, count=count)
        multiplier = self.noise_multiplier / math.sqrt(self.releases)
        return Releases(noise_multiplier=multiplier, sample=self.sample, count=rounds)


@dataclass(frozen=True, kw_only=True)
class Response:
    """Randomized response: what is protected is said once in a run, and at random; all else is made of that."""

    epsilon: float
    """Of pure differential privacy (delta 0), over the whole run and whatever is seen of it."""
    protects: str
    """What is another one in a neighboring case, as `sex of an example`."""


@dataclass(frozen=True)
class Unproven:
    """Why something proves nothing, in one sentence."""

    reason: str


def cohort_of(federation: FederationSettings) -> int:
    """How many clients the strategy asks in a round, also where it is wrapped in another."""
    options = federation.strategy_options
    while "strategy" in options:
        inner = options["strategy"]
        options = {} if isinstance(inner, str) else inner
    asked = int(federation.clients * float(options.get("fraction_train", 1.0)))
    return min(federation.clients, max(asked, int(options.get("min_train_nodes", 1))))


def _ratio(one: float, other: float) -> float:
    return one / other if math.isfinite(one) else math.inf
