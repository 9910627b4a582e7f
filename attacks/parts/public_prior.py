"""Public prior: how examples are distributed, from public ones, and the example that noise hides, in expectation.

A sum with noise shows `w = s x + e` and `s + e'` of an example x: what is expected of it is far from the quotient where
the noise is not small. In the cosine basis of images values are nearly uncorrelated but for those of the same
frequency, so a normal distribution needs a small covariance for each (the Wiener filter); of a table there is one
frequency alone, and the columns' covariance is all of it.
"""

from dataclasses import dataclass
from math import pi, prod

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.images import Images

LEAST = 1e-9
"""Variance of a coefficient, in units of the mean one, below which it counts as known."""
WIDE, POINTS = 4.0, 41
"""How many deviations about its measured value the factor s is tried at, and at how many points."""

ROUGH_TO_FINE, TURNS = (0.0, -2.0), 40
"""Noise that missing values are filled in by, in units of the values' deviation as powers of ten, and how many turns.
"""


@dataclass(frozen=True, kw_only=True)
class PublicPrior:
    """A normal distribution of examples: independent coefficients, frequency by frequency."""

    shape: tuple[int, int, int]
    """Channels, height and width; of anything but images the values, 1 and 1."""
    turned: Float64[Tensor, "height width channels channels"]
    """By frequency the channels' principal axes, as columns."""
    mean: Float64[Tensor, " coefficients"]
    variance: Float64[Tensor, " coefficients"]

    @classmethod
    def of(cls, observation: Observation) -> "PublicPrior":
        """From the adversary's public examples; without any, each value about the middle of its range by itself."""
        space, public = observation.task.space, observation.auxiliary
        shape = space.shape if isinstance(space, Images) else (prod(space.shape), 1, 1)
        channels, height, width = shape
        known = torch.empty(0, prod(shape)) if public is None else public.inputs.flatten(1)
        mean = known.double().mean(0) if len(known) else torch.full((prod(shape),), space.middle).double()
        away = _cosines(known.double() - mean, (channels, height, width))
        covariance = torch.einsum("bhwc,bhwd->hwcd", away, away) / max(len(known), 1)
        usual = float(covariance.diagonal(dim1=2, dim2=3).mean()) if len(known) else space.extent**2 / 12
        trust = len(known) / (len(known) + channels)
        variance, turned = torch.linalg.eigh(trust * covariance + (1 - trust) * usual * torch.eye(channels).double())
        plain = cls(shape=(channels, height, width), turned=turned, mean=mean, variance=variance.flatten())
        return cls(
            shape=plain.shape,
            turned=turned,
            mean=plain.coefficients(mean[None])[0],
            variance=plain.variance.clamp_min(LEAST * usual),
        )

    def coefficients(self, inputs: Float64[Tensor, "batch values"]) -> Float64[Tensor, "batch coefficients"]:
        """Of examples, in an orthonormal basis."""
        turned: Tensor = torch.einsum("hwdc,bhwd->bhwc", self.turned, _cosines(inputs, self.shape))
        return turned.flatten(1)

    def inputs(self, coefficients: Float64[Tensor, "batch coefficients"]) -> Float64[Tensor, "batch values"]:
        """The examples that have such coefficients."""
        channels, height, width = self.shape
        frequencies = coefficients.reshape(-1, height, width, channels)
        values = torch.einsum("hwdc,bhwc->bhwd", self.turned, frequencies)
        return torch.einsum("ij,biwc,wk->bcjk", _basis(height), values, _basis(width)).flatten(1)

    def expected(self, seen: "Seen") -> Float64[Tensor, "batch values"]:
        """The mean of each example given what is seen of it, over all factors s that it may have.

        How large s is say its own measured value and how bright an example is on average, which few public examples
        tell well; finer coefficients are as many as would outweigh these if their variance is a little off.
        """
        values, noise = self.coefficients(seen.weight), seen.noise[:, None].square()
        steps = torch.linspace(-WIDE, WIDE, POINTS, dtype=torch.float64)
        factors = seen.bias[:, None] + seen.bias_noise[:, None] * steps
        level = self._level()
        likely = -steps.square() / 2 + torch.stack(
            [self._likelihood(values, factor[:, None], noise, level) for factor in factors.T], 1
        )
        sure = likely.softmax(1)
        found = self.mean.expand_as(values).clone()
        for share, factor in zip(sure.T[:, :, None], factors.T[:, :, None], strict=True):
            gain = factor * self.variance / (factor.square() * self.variance + noise)
            found = found + share * gain * (values - factor * self.mean)
        return self.inputs(found)

    def filled(
        self,
        inputs: Float64[Tensor, "batch values"],
        known: Bool[Tensor, "batch values"],
        low: Float64[Tensor, "batch values"],
        high: Float64[Tensor, "batch values"],
    ) -> Float64[Tensor, "batch values"]:
        """Examples with values that are missing filled in by expectation, between bounds; known ones stay.

        By turns examples are smoothed, as if they were seen under less and less noise, and known values put back.
        """
        found = torch.where(known, inputs, self.inputs(self.mean[None]))
        for noise in torch.logspace(*ROUGH_TO_FINE, TURNS, dtype=torch.float64):
            spread = (noise * self.variance.mean().sqrt()).square()
            away = self.coefficients(found) - self.mean
            smooth = self.inputs(self.mean + self.variance / (self.variance + spread) * away)
            found = torch.where(known, inputs, smooth.maximum(low).minimum(high))
        return found

    def evidence(self, seen: "Seen") -> Float64[Tensor, " batch"]:
        """How much likelier what is seen is with an example behind it than as noise alone: a logarithm."""
        values, noise = self.coefficients(seen.weight), seen.noise[:, None].square()
        everywhere = torch.ones_like(self.mean, dtype=torch.bool)
        there = self._likelihood(values, seen.bias[:, None], noise, everywhere)
        nothing = self._likelihood(values, torch.zeros_like(seen.bias)[:, None], noise, everywhere)
        found: Tensor = there - nothing + (seen.bias / seen.bias_noise).square() / 2
        return found

    def _likelihood(
        self, values: Tensor, factor: Tensor, noise: Tensor, among: Bool[Tensor, " coefficients"]
    ) -> Tensor:
        variance = factor.square() * self.variance[among] + noise
        off = (values[:, among] - factor * self.mean[among]).square()
        return -(off / variance + variance.log()).sum(1) / 2

    def _level(self) -> Bool[Tensor, " coefficients"]:
        """The coefficients of frequency 0."""
        channels, height, width = self.shape
        level = torch.zeros(height, width, channels, dtype=torch.bool)
        level[0, 0] = True
        return level.flatten()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a noisy sum shows of each example x: `s x + e` and `s + e'`."""

    weight: Float64[Tensor, "batch values"]
    bias: Float64[Tensor, " batch"]
    noise: Float64[Tensor, " batch"]
    """Standard deviation of each entry of e."""
    bias_noise: Float64[Tensor, " batch"]

    def __getitem__(self, chosen: Tensor) -> "Seen":
        return Seen(
            weight=self.weight[chosen],
            bias=self.bias[chosen],
            noise=self.noise[chosen],
            bias_noise=self.bias_noise[chosen],
        )


def _basis(length: int) -> Float64[Tensor, "frequencies places"]:
    """The orthonormal cosine basis (DCT-II)."""
    places = torch.arange(length, dtype=torch.float64)
    waves = torch.cos(pi / length * (places + 0.5) * places[:, None]) * (2 / length) ** 0.5
    return torch.cat([waves[:1] / 2**0.5, waves[1:]])


def _cosines(inputs: Tensor, shape: tuple[int, int, int]) -> Float64[Tensor, "batch height width channels"]:
    images = inputs.reshape(-1, *shape)
    return torch.einsum("ij,bcjk,lk->bilc", _basis(shape[1]), images, _basis(shape[2]))
