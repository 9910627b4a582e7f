"""Sampling: who is in a release."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample of fixed size without replacement, drawn anew in each round; the adversary does not see who is in it."""

    size: int
    population: int


@dataclass(frozen=True, kw_only=True)
class Poisson:
    """Each is in with the same chance, whoever else is; the adversary does not see who, nor how many."""

    rate: float


@dataclass(frozen=True)
class Shuffled:
    """Batches of a fixed size, one after another, from a shuffled order: each is in one batch of every epoch."""


Sampling = Sample | Poisson | Shuffled | None
"""None: the same in all of them, or the adversary may see who."""
