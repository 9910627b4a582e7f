"""Yeom's attribute inference: the hidden value whose loss is the likeliest of a member, weighed by its prior."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.errors import ConfigError

from ..parts.records.completions import Completions, frequent

ITERATIONS = 50
"""Steps of the estimate of the error: far more than it takes to settle."""
LEAST = 1e-6
"""Nats that the error is at least, or a row whose losses are all 0 would say anything."""


@attacks.register("yeom-attribute")
@dataclass(frozen=True, kw_only=True)
class YeomAttribute(Attack[Served]):
    """Asks about each row with each value it may hide, and weighs how probable its loss is of a member by how frequent
    the value is.

    Losses of members are normal about 0. The paper takes their standard deviation for known, as it is where a training
    error is published (`error`); else it is estimated from the rows by expectation maximization, all of them taken for
    members. Rows that the budget does not reach are guessed by frequency.
    """

    paper: ClassVar = "https://arxiv.org/abs/1709.01604"
    cites: ClassVar = "yeom2018privacy"
    error: float | None = None
    """Standard deviation of the losses of members, in nats."""

    def __post_init__(self) -> None:
        if self.error is not None and not self.error > 0:
            raise ConfigError(f"expected an error of more than 0 nats, got {self.error}; leave it out to estimate it")

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"columns"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:  # noqa: ARG002
        tried, known = Completions.of(observation), frequent(observation)
        squares = tried.evidence.square()  # a loss is how far the logarithm of a confidence is below 0
        error = error_of(squares, tried.values.before(known)) if self.error is None else self.error
        return Reconstruction(columns=tried.values.guess(-squares / (2 * error**2), known))


def error_of(squares: Float64[Tensor, "rows values"], before: Float64[Tensor, "rows values"]) -> float:
    """The standard deviation of normal losses about 0 that makes the rows most probable, their values being unknown.

    `before` are natural logarithms of how probable each value was. Expectation maximization (Dempster, Laird and Rubin
    1977, https://doi.org/10.1111/j.2517-6161.1977.tb01600.x) from the mean over all values, which is the widest.
    """
    informed = squares[(squares > 0).any(1)]
    if not len(informed):
        return 1.0
    own, variance = before[(squares > 0).any(1)], informed.mean().clamp_min(LEAST**2)
    for _ in range(ITERATIONS):
        shares = (own - informed / (2 * variance)).softmax(1)
        variance = (shares * informed).sum(1).mean().clamp_min(LEAST**2)
    return float(torch.sqrt(variance))
