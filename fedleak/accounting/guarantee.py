"""Privacy guarantees: what one mechanism proves over the rounds of a run."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from fedleak.accounting.composition import Releases, composed_epsilon, mu_of
from fedleak.accounting.gaussian import delta_of, epsilon_of
from fedleak.accounting.mechanism import RELATION, Mechanism, Response, Unproven, Vantage
from fedleak.accounting.sampling import Poisson, Sample

__all__ = ["DELTA", "Guarantee", "Proven", "ResponseGuarantee", "Unproven"]

DELTA = 1e-5
"""Of every epsilon that is shown or judged."""


@dataclass(frozen=True, kw_only=True)
class Proven(ABC):
    """What a defense proves of a run, with the relation that every figure of it is about."""

    defense: str
    """Its name."""

    @property
    @abstractmethod
    def protects(self) -> str:
        """What is another one in a neighboring case, or is not there."""

    @abstractmethod
    def epsilon(self, delta: float) -> float:
        """The run is (epsilon, delta)-private for each of the protected; infinite where nothing hides them."""

    def sampled(self, delta: float) -> bool:  # noqa: ARG002
        """Whether the epsilon at this delta is lower because samples are secret."""
        return False

    @property
    def relation(self) -> str:
        """`replace-one example` or `add-or-remove example`: what neighboring cases differ in."""
        return f"{RELATION} {self.protects}"

    def terms(self, delta: float) -> str:  # noqa: ARG002
        """`replace-one example, no sampling credit`: relation and sampling of the epsilon at this delta."""
        return f"{self.relation}, no sampling credit"

    def statement(self, delta: float) -> str:
        """`epsilon 19.1 (replace-one example, no sampling credit), delta 1e-5`."""
        epsilon, small = self.epsilon(delta), f"{delta:.0e}".replace("e-0", "e-")
        return f"epsilon {epsilon:.{1 if epsilon >= 10 else 2}f} ({self.terms(delta)}), delta {small}"

    @property
    @abstractmethod
    def sentence(self) -> str:
        """What it rests on, `local-dp: noise multiplier 0.9 (replace-one client), 3 releases`."""


@dataclass(frozen=True, kw_only=True)
class Guarantee(Proven):
    """A mechanism that acts in each of so many rounds, against an adversary who chooses each round's model."""

    mechanism: Mechanism
    rounds: int
    view: Vantage = "message"
    """What the adversary sees."""
    beside_a_protocol: str = ""
    """Why it sees more than the protocol of the run would show it, if it does; goes with every figure."""
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
    def protects(self) -> str:
        return self.mechanism.protects

    @property
    def relation(self) -> str:
        return f"{self.mechanism.relation} {self.protects}"

    def sampled(self, delta: float) -> bool:
        return self.epsilon(delta) < epsilon_of(delta, self.mu)

    def terms(self, delta: float) -> str:
        seen = ", for who sees models alone" if self.view == "model" else ""
        seen += f", {self.beside_a_protocol}" if self.beside_a_protocol else ""
        if not self.sampled(delta):
            return f"{super().terms(delta)}{seen}"
        samples = [one.mechanism.sample for one in self.phases]
        if rates := dict.fromkeys(f"{one.rate:.3g}" for one in samples if isinstance(one, Poisson)):
            return f"{self.relation}, Poisson samples at rate {', then '.join(rates)}{seen}"
        drawn = dict.fromkeys(f"{one.size} of {one.population}" for one in samples if isinstance(one, Sample))
        return f"{self.relation}, secret samples of {', then '.join(drawn)} without replacement{seen}"

    @property
    def sentence(self) -> str:
        return f"{self.defense}: {'; then '.join(one._words for one in self.phases)}"

    @property
    def _words(self) -> str:
        one, sampled, releases = self.mechanism, "", self.rounds * self.mechanism.releases
        if isinstance(one.sample, Sample):
            sampled = f", {self.rounds} times a secret sample of {one.sample.size} of {one.sample.population}"
        elif isinstance(one.sample, Poisson) and one.sample.rate < 1:
            sampled = f", each about a Poisson sample at rate {one.sample.rate:.3g}"
        count = f"{releases} release{'s' if releases != 1 else ''}"
        return f"noise multiplier {one.noise_multiplier:.3g} ({self.relation}), {count}{sampled}"


@dataclass(frozen=True, kw_only=True)
class ResponseGuarantee(Proven):
    """A randomized response that a run is made of, whoever looks at what of it, and for how many rounds."""

    response: Response

    @property
    def protects(self) -> str:
        return self.response.protects

    def epsilon(self, delta: float) -> float:  # noqa: ARG002
        return self.response.epsilon  # at every delta

    @property
    def sentence(self) -> str:
        return f"{self.defense}: a randomized response of epsilon {self.response.epsilon:.3g} ({self.relation}), once"
