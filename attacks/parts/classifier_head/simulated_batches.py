"""Simulated batches of public examples, and sketches of the head gradient that each would give."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from .gradient import HeadGradient
from .posteriors import by_class

COLUMNS = 256
"""Features whose part of the gradient is looked at entry by entry."""
AS_PUBLIC = 0.5
"""Share of the simulated batches whose classes are as frequent as in public; the others are of few classes, or one."""
SKEWS = (-1.3, 1.0)
"""Range of the concentration of their class frequencies, as a power of ten: from one class to nearly even ones."""
TINY = 1e-12
"""Share of a class that keeps frequencies from being all zero."""


@dataclass(frozen=True, kw_only=True)
class Sketches:
    """Gradients of the head of some batches times K, as far as they are looked at; linear in the examples."""

    bias: Float[Tensor, "batches classes"]
    """Zero where there is no bias."""
    by_class: Float[Tensor, "batches classes classes"]
    """The weight gradient in the coordinates of the classes' mean features: nearly, the errors by true class."""
    columns: Float[Tensor, "batches classes columns"]
    """Some columns of the weight gradient as they are."""

    def mixed(self, shares: Float[Tensor, "mixtures batches"]) -> "Sketches":
        """Sums of them, each as often as a row of `shares` says."""
        return Sketches(
            bias=shares @ self.bias,
            by_class=torch.einsum("mb,bij->mij", shares, self.by_class),
            columns=torch.einsum("mb,bij->mij", shares, self.columns),
        )

    def part(self, chosen: slice) -> "Sketches":
        """Some of the batches."""
        return Sketches(bias=self.bias[chosen], by_class=self.by_class[chosen], columns=self.columns[chosen])

    def disturbed(self, noise: float, lens: "Lens", rng: Generator) -> "Sketches":
        """The same under noise of a size in every entry of the gradient."""

        def drawn(values: Tensor) -> Tensor:
            return noise * torch.randn(values.shape, generator=rng, dtype=values.dtype)

        return Sketches(
            bias=self.bias + drawn(self.bias) * lens.has_bias,
            by_class=self.by_class + drawn(self.by_class) * lens.coordinates.norm(dim=0),
            columns=self.columns + drawn(self.columns),
        )

    def lengths(self) -> Float[Tensor, " batches"]:
        """How long the columns are together."""
        lengths: Tensor = self.columns.flatten(1).norm(dim=1)
        return lengths.clamp_min(1e-300)

    def unit(self) -> "Sketches":
        """The same as if every gradient had the same length, which is what is left where that is unknown."""
        length = self.lengths()[:, None]
        return Sketches(
            bias=self.bias / length,
            by_class=self.by_class / length[:, None],
            columns=self.columns / length[:, None],
        )


def mean(sketches: list[Sketches]) -> Sketches:
    """Entry by entry."""
    return Sketches(
        bias=torch.stack([sketch.bias for sketch in sketches]).mean(0),
        by_class=torch.stack([sketch.by_class for sketch in sketches]).mean(0),
        columns=torch.stack([sketch.columns for sketch in sketches]).mean(0),
    )


@dataclass(frozen=True, kw_only=True)
class Lens:
    """What is looked at of a head's gradient: linear maps of it."""

    coordinates: Float[Tensor, "features classes"]
    columns: Int[Tensor, " columns"]
    has_bias: bool

    @classmethod
    def on(
        cls, features: Float[Tensor, "examples features"], labels: Int[Tensor, " examples"], gradient: HeadGradient
    ) -> "Lens":
        """Fitted to public examples."""
        classes, width = gradient.weight.shape
        means = torch.stack([rows.mean(0) for rows in by_class(features, labels, classes)])
        square = means @ means.T
        # Classes that the network does not separate have parallel means.
        ridge = (1e-3 * square.trace() / classes + 1e-12) * torch.eye(classes, dtype=square.dtype)
        step = max(width // COLUMNS, 1)
        return cls(
            coordinates=means.T @ torch.linalg.inv(square + ridge),
            columns=torch.arange(0, width, step)[:COLUMNS],
            has_bias=gradient.bias is not None,
        )

    def examples(
        self, residuals: Float[Tensor, "examples classes"], features: Float[Tensor, "examples features"]
    ) -> Sketches:
        """Of single examples: their gradient is the outer product of residual and features."""
        return Sketches(
            bias=residuals * self.has_bias,
            by_class=residuals[:, :, None] * (features @ self.coordinates)[:, None],
            columns=residuals[:, :, None] * features[:, None, self.columns],
        )

    def batch(self, gradient: HeadGradient, examples: int) -> Sketches:
        """Of an observed batch."""
        weight = examples * gradient.weight
        bias = torch.zeros_like(weight[:, 0]) if gradient.bias is None else examples * gradient.bias
        return Sketches(
            bias=bias[None], by_class=(weight @ self.coordinates)[None], columns=weight[None, :, self.columns]
        )


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Batches of public examples, drawn with repetition."""

    shares: Float[Tensor, "batches public"]
    """How often each public example is in each batch."""
    counts: Float[Tensor, "batches classes"]


def draws(labels: Int[Tensor, " public"], classes: int, examples: int, batches: int, rng: Generator) -> Draws:
    """Batches with class frequencies as in public, and with skewed ones."""
    random = np.random.default_rng(int(torch.randint(2**31, (), generator=rng)))
    known = labels.numpy()
    frequency = np.bincount(known, minlength=classes) / len(known)
    concentrations = 10 ** random.uniform(*SKEWS, size=batches)
    skewed = (
        np.stack([random.dirichlet(np.full(classes, concentration)) for concentration in concentrations])
        * (frequency > 0)
        + TINY
    )
    even = random.random(batches) < AS_PUBLIC
    chances = np.where(even[:, None], frequency, skewed * (frequency > 0))
    counts = random.multinomial(examples, chances / chances.sum(1, keepdims=True))
    shares = np.zeros((batches, len(known)))
    for label in np.flatnonzero(frequency):
        members = np.flatnonzero(known == label)
        shares[:, members] = random.multinomial(counts[:, label], np.full(len(members), 1 / len(members)))
    return Draws(shares=torch.from_numpy(shares), counts=torch.from_numpy(counts).double())
