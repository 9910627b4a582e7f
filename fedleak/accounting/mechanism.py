"""Mechanisms: what a defense adds to what it releases, in the accountants' terms."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from fedleak.accounting.composition import Releases
from fedleak.settings import FederationSettings

View = Literal["message", "sum", "model"]
"""What an adversary sees: single messages, only their sum (secure aggregation), or only the averaged models."""
Unit = Literal["example", "client"]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Where a defense acts: what it needs to know to say what it guarantees."""

    federation: FederationSettings
    """How clients train under the chain."""
    view: View = "message"
    norm: float = math.inf
    """Greatest norm of the updates that the defense is given; infinity where nothing before it bounds them."""


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """Normal noise on something to which what is protected contributes a vector of limited length."""

    noise: float
    """Standard deviation of each entry."""
    contribution: float
    """Greatest norm of what one of the protected adds, in the units of the noise."""
    protects: Unit
    neighbors: Literal["removed", "replaced"]
    """Whether the case to compare with lacks the contribution, or has any other one in its place: twice as far."""
    releases: int
    """Of one round that the same contribution is in at most."""
    sampling_rate: float = 1.0
    """Chance of being in a round at all, where the adversary does not see who is (Poisson sampling)."""

    @property
    def sensitivity(self) -> float:
        """How far apart what is released without noise can be in two neighboring cases."""
        return self.contribution * (2 if self.neighbors == "replaced" else 1)

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
        """The same for contributions that are known to be in."""
        return replace(self, sampling_rate=1.0)

    def over(self, rounds: int) -> Releases:
        """So many rounds for an accountant: a contribution that is in a round is in all of its releases at once."""
        multiplier = self.noise_multiplier / math.sqrt(self.releases)
        return Releases(noise_multiplier=multiplier, sampling_rate=self.sampling_rate, count=rounds)


def _ratio(one: float, other: float) -> float:
    return one / other if math.isfinite(one) else math.inf
