"""One dummy batch for several messages: those that it cannot explain count less."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation

from .distances import cosine
from .gradient_match import GradientMatch, Term, pixels
from .objective import Gradient, Guess, Objective
from .surrogate import SHARE, SHARE_UNIT, mean_gradient
from .variables import Variables

TOLERANCE = 0.05
"""Cosine mismatch from which on a message pulls less than half as hard."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SeveralMatches(Objective):
    """`mean of c log(1 + d / c) + Σ weight * term(dummy)` over the distances d to each message, for c = `TOLERANCE`.

    That is d for a message that fits, while one that does not, because other examples are behind it, hardly pulls.
    """

    matches: tuple[GradientMatch, ...]
    """All decode the same variables; their own terms do not count."""
    terms: tuple[tuple[float, Term], ...] = ()
    units: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        messages: Sequence[Observation],
        labels: Int[Tensor, " batch"],
        terms: tuple[tuple[float, Term], ...],
        *,
        dtype: torch.dtype,
        device: str,
    ) -> "SeveralMatches":
        """The objective for some messages; those of several local steps at surrogate models, all at the same share."""
        matches = [
            GradientMatch.of(one, cosine, pixels(labels), simulate=mean_gradient(one), dtype=dtype, device=device)
            for one in messages
        ]
        return cls(matches=tuple(matches), terms=terms, units={SHARE: SHARE_UNIT})

    @property
    def vectorises(self) -> bool:
        return all(match.vectorises for match in self.matches)

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        total = robust(self.distances(variables, gradient)).mean()
        dummy = self.matches[0].decode(variables)
        for weight, term in self.terms:
            total = total + weight * term(dummy)
        return total

    def distances(self, variables: Variables, gradient: Gradient) -> Float[Tensor, " messages"]:
        """How far the dummy batch is from explaining each message."""
        return torch.stack(
            [one.distance(one.simulate(one.model, one.decode(variables), gradient)) for one in self.matches]
        )

    def guess(self, variables: Variables) -> Guess:
        return self.matches[0].guess(variables)

    def project(self, variables: Variables) -> None:
        self.matches[0].project(variables)


def robust(distances: Float[Tensor, " messages"]) -> Float[Tensor, " messages"]:
    """What distances count: as they are where small, ever less where large (a Cauchy loss of their roots)."""
    return TOLERANCE * (distances.clamp_min(0.0) / TOLERANCE).log1p()
