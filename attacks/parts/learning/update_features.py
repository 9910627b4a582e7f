"""Feature hashing and PCA: updates as short vectors that a small network can learn from."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Generator, Tensor

BINS = 8192
"""Entries of a hashed update at most; thousands of updates are kept at once."""
MOST_COMPONENTS = 512
NEGLIGIBLE = 1e-14
"""Share of the greatest variance from which on a component is rounding alone."""


@dataclass(frozen=True)
class FeatureHash:
    """Adds entries up into fewer, each with a sign of its own, in double precision; short vectors are left alone.

    Inner products stay the same but for a noise of about `|a| |b| / sqrt(BINS)`. Source:
    https://arxiv.org/abs/0902.2206
    """

    place: Int[Tensor, " entries"] | None
    sign: Float64[Tensor, " entries"] | None

    @classmethod
    def of(cls, entries: int, rng: Generator) -> "FeatureHash":
        """For vectors of so many entries."""
        if entries <= BINS:
            return cls(None, None)
        place = torch.randint(BINS, (entries,), generator=rng)
        return cls(place, torch.randint(2, (entries,), generator=rng).double() * 2.0 - 1.0)

    def __call__(self, vector: Float[Tensor, " entries"]) -> Float64[Tensor, " bins"]:
        """The vector made short."""
        if self.place is None or self.sign is None:
            return vector.double()
        return torch.zeros(BINS, dtype=torch.float64).index_add_(0, self.place, vector.double() * self.sign)


@dataclass(frozen=True)
class Components:
    """Principal components of some vectors, for these and others: at most as many as there are vectors.

    With `whitening` 0 they keep their variances, with 1 all get the same, in between `variance^(1 - whitening)`. An
    update is mostly what all updates have in common with a few others of the same labels, above all behind smooth
    activations: the images are in components a thousandth as long. Where noise was added, so is the noise.
    """

    mean: Float64[Tensor, " entries"]
    directions: Float64[Tensor, "entries components"]
    spread: Float64[Tensor, " components"]
    """Standard deviation along each direction."""

    @classmethod
    def of(cls, vectors: Float64[Tensor, "vectors entries"]) -> "Components":
        """Fitted to vectors, of which not all may be equal."""
        mean = vectors.mean(0)
        centered = vectors - mean
        variance, mixtures = torch.linalg.eigh(centered @ centered.T)
        kept = (variance > NEGLIGIBLE * variance[-1]).nonzero()[-MOST_COMPONENTS:, 0]
        lengths = variance[kept].sqrt()
        return cls(mean, centered.T @ (mixtures[:, kept] / lengths), lengths / len(vectors) ** 0.5)

    def __call__(self, vectors: Float64[Tensor, "vectors entries"], whitening: float) -> Float[Tensor, "vectors parts"]:
        """The components of vectors, in single precision; of those that it was fitted to, the mean square is 1."""
        scale = self.spread**whitening
        scale = scale * (self.spread / scale).square().mean().sqrt()
        return ((vectors - self.mean) @ self.directions / scale).float()
