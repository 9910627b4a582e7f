"""Privacy guarantees: what one mechanism proves over the rounds of a run."""

import math
from dataclasses import dataclass, replace

from fedleak.accounting.composition import Releases, composed_epsilon, mu_of
from fedleak.accounting.gaussian import delta_of
from fedleak.accounting.mechanism import Mechanism


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """A mechanism that acts in each of so many rounds, against an adversary who chooses each round's model."""

    mechanism: Mechanism
    rounds: int
    defense: str
    """Name of the defense that acts so."""
    later: "Guarantee | None" = None
    """What the same defense does in the rounds after these, where clients train otherwise."""

    @property
    def phases(self) -> tuple["Guarantee", ...]:
        """The parts of the run in order, each by itself."""
        return (replace(self, later=None), *(self.later.phases if self.later else ()))

    @property
    def parts(self) -> tuple[Releases, ...]:
        """Each part for an accountant."""
        return tuple(one.mechanism.over(one.rounds) for one in self.phases)

    @property
    def mu(self) -> float:
        """How far apart neighbors are in the end, in units of the noise: `sqrt(T) / noise multiplier`, unsampled.

        The squares of several parts add up.
        """
        return mu_of(one.mechanism.unsampled.over(one.rounds) for one in self.phases)

    @property
    def shift(self) -> float:
        """How far all releases together can be from noise that knows nothing of a contribution that is in them."""
        squares = [one.rounds * one.mechanism.releases * one.mechanism.shift**2 for one in self.phases]
        return math.sqrt(math.fsum(squares))

    def epsilon(self, delta: float) -> float:
        """The run is (epsilon, delta)-private for each of the protected; infinite where the noise is 0."""
        return composed_epsilon(self.parts, delta)

    def delta(self, epsilon: float) -> float:
        """The delta at an epsilon; takes no credit for sampling."""
        return delta_of(epsilon, self.mu)

    def over(self, rounds: int) -> "Guarantee":
        """The same for an adversary who uses the messages of so many rounds, and for contributions that are in them.

        What success is measured on was in the batch, so sampling hid nothing there.
        """
        return replace(self, rounds=rounds, mechanism=self.mechanism.unsampled, later=None)

    @property
    def sentence(self) -> str:
        """`local-dp: noise multiplier 0.9 for replaced clients, 3 releases`."""
        return f"{self.defense}: {'; then '.join(one._words for one in self.phases)}"

    @property
    def _words(self) -> str:
        one, sampled, releases = self.mechanism, "", self.rounds * self.mechanism.releases
        if one.sampling_rate < 1:
            sampled = f", {self.rounds} times a secret sample of {one.sampling_rate:.3g} of them (taken as Poisson)"
        count = f"{releases} release{'s' if releases != 1 else ''}"
        return f"noise multiplier {one.noise_multiplier:.3g} for {one.neighbors} {one.protects}s, {count}{sampled}"


@dataclass(frozen=True)
class Unproven:
    """Why a chain proves nothing, in one sentence."""

    reason: str
