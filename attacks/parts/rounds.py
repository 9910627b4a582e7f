"""Messages of the same clients from several rounds: are the same examples behind them?"""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.contracts.observation import Observation

from .evidence import defect
from .labels import as_labels, whole_counts

OTHER_DATA = 0.05
"""Cosine mismatch that other examples leave behind at least, even where they look alike."""
TIMES = 5.0
"""How many times worse than this round another must be explained to count as other examples."""


def comparable(earlier: Observation, now: Observation) -> bool:
    """Whether a message can be of the same examples, and be read."""
    return earlier.examples() == now.examples() and not earlier.masked and defect(earlier) is None


def told_apart(distances: Sequence[float]) -> list[bool]:
    """For each round whether the same examples explain it as the first of them, which is the one under attack.

    Measured on ConvNets: 0.001 to 0.005 where they do, 0.7 to 1.3 where they do not.
    """
    limit = max(OTHER_DATA, TIMES * distances[0])
    return [True, *(distance <= limit for distance in distances[1:])]


def vote(named: Sequence[Int[Tensor, " guesses"] | str], examples: int) -> Int[Tensor, " examples"]:
    """The labels by the mean of what each round says; a round whose labels cannot be inferred does not vote."""
    votes = [labels for labels in named if not isinstance(labels, str)]
    classes = max(int(labels.max()) for labels in votes) + 1
    counts = torch.stack([torch.bincount(labels.cpu(), minlength=classes) for labels in votes]).double().mean(0)
    return as_labels(whole_counts(counts, examples))


def words_on_rounds(
    rounds: Sequence[Observation], same: Sequence[bool], mismatch: Sequence[float], earlier: int
) -> str:
    """What was found out about the rounds, in words."""
    if len(rounds) == 1:
        found = "no earlier message of these clients is at hand" if not earlier else "no earlier message is comparable"
        return f"{found}: this round alone was matched"
    fit = [one.round for one, fits in zip(rounds, same, strict=True) if fits]
    said = f"matched rounds {_listed(fit)}" if len(fit) > 1 else "matched this round alone"
    odd = [(one.round, loss) for one, fits, loss in zip(rounds, same, mismatch, strict=True) if not fits]
    if odd:
        losses = ", ".join(f"{loss:.2g}" for _, loss in odd)
        said += (
            f"; other examples are behind {_listed([number for number, _ in odd])}: no batch that explains this round "
            f"({mismatch[0]:.2g}) explains them ({losses})"
        )
    return said


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))
