"""Multi-round objective: one dummy batch for several messages, of which misfits count less."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.space import InputSpace

from ..applicability import defect
from ..classifier_head.label_rule import as_labels, whole_counts
from ..engine.distances import cosine
from ..engine.gradient_match import GradientMatch, Term, known_terms, pixels
from ..engine.objective import Gradient, Guess, Objective, Variables
from .surrogate import SHARE, SHARE_UNIT, mean_gradient

TOLERANCE = 0.05
"""Cosine mismatch from which on a message pulls less than half as hard."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiRoundMatch(Objective):
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
        labels: Int[Tensor, "batch *classes"],
        terms: tuple[tuple[float, Term | None], ...],
        *,
        dtype: torch.dtype,
        device: str,
    ) -> "MultiRoundMatch":
        """The objective for some messages; those of several local steps at surrogate models, all at the same share."""
        matches = [
            GradientMatch.of(
                message, cosine, pixels(labels), simulate=mean_gradient(message), dtype=dtype, device=device
            )
            for message in messages
        ]
        return cls(matches=tuple(matches), terms=known_terms(terms), units={SHARE: SHARE_UNIT})

    @property
    def space(self) -> InputSpace:
        return self.matches[0].space

    @property
    def vectorizes(self) -> bool:
        return all(match.vectorizes for match in self.matches)

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        total = robust(self.distances(variables, gradient)).mean()
        dummy = self.matches[0].decode(variables)
        for weight, term in self.terms:
            total = total + weight * term(dummy)
        return total

    def distances(self, variables: Variables, gradient: Gradient) -> Float[Tensor, " messages"]:
        """How far the dummy batch is from explaining each message."""
        return torch.stack(
            [match.distance(match.simulate(match.model, match.decode(variables), gradient)) for match in self.matches]
        )

    def guess(self, variables: Variables) -> Guess:
        return self.matches[0].guess(variables)

    def project(self, variables: Variables) -> None:
        self.matches[0].project(variables)


def robust(distances: Float[Tensor, " messages"]) -> Float[Tensor, " messages"]:
    """What distances count: as they are where small, ever less where large (a Cauchy loss of their roots)."""
    return TOLERANCE * (distances.clamp_min(0.0) / TOLERANCE).log1p()


# Whether the same examples are behind messages of several rounds.

OTHER_DATA = 0.05
"""Cosine mismatch that other examples leave behind at least, even where they look alike."""
TIMES = 5.0
"""How many times worse than this round another must be explained to count as other examples."""


def comparable(earlier: Observation, now: Observation) -> bool:
    """Whether a message can be of the same examples, and be read."""
    return earlier.examples() == now.examples() and not earlier.masked and defect(earlier) is None


def explained_alike(distances: Sequence[float]) -> list[bool]:
    """For each round whether the same examples explain it as the first of them, which is the one under attack.

    Measured on ConvNets: 0.001 to 0.005 where they do, 0.7 to 1.3 where they do not.
    """
    limit = max(OTHER_DATA, TIMES * distances[0])
    return [True, *(distance <= limit for distance in distances[1:])]


def vote(inferred: Sequence[Int[Tensor, "guesses *classes"] | None], examples: int) -> Int[Tensor, "examples *classes"]:
    """The labels by the mean of what each round says; a round whose labels cannot be inferred does not vote."""
    votes = [labels for labels in inferred if labels is not None]
    if votes[0].dim() == 2:
        return (torch.stack(votes).double().mean(0) > 0.5).long()
    classes = max(int(labels.max()) for labels in votes) + 1
    counts = torch.stack([torch.bincount(labels.cpu(), minlength=classes) for labels in votes]).double().mean(0)
    return as_labels(whole_counts(counts, examples))


def rounds_note(rounds: Sequence[Observation], same: Sequence[bool], mismatch: Sequence[float], earlier: int) -> str:
    """What was found out about the rounds, in words."""
    if len(rounds) == 1:
        reason = "no earlier message of these clients is at hand" if not earlier else "no earlier message is comparable"
        return f"{reason}: this round alone was matched"
    fit = [message.round for message, fits in zip(rounds, same, strict=True) if fits]
    note = f"matched rounds {_listed(fit)}" if len(fit) > 1 else "matched this round alone"
    odd = [(message.round, loss) for message, fits, loss in zip(rounds, same, mismatch, strict=True) if not fits]
    if odd:
        losses = ", ".join(f"{loss:.2g}" for _, loss in odd)
        note += (
            f"; other examples are behind {_listed([number for number, _ in odd])}: no batch that explains this round "
            f"({mismatch[0]:.2g}) explains them ({losses})"
        )
    return note


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))
