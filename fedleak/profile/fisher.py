"""Fisher information: how well any unbiased attacker can know each pixel under noise of a stated size."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.profile.jacobian import Jacobian


@dataclass(frozen=True, kw_only=True)
class Fisher:
    """The diagonal of `JᵀJ`, an entry for each pixel, estimated; divided by a variance it is the information.

    Of the gradient plus N(0, σ²) in every entry the Fisher information about the images is `I = JᵀJ / σ²`. No
    unbiased guess of pixel j has a variance below `1 / I_jj`, nor a mean squared error over d pixels below
    `d / Tr I` (Cramér-Rao). A biased guess, such as one that knows what photos look like, is not bound by it.
    Source: Guo et al. 2022, https://arxiv.org/abs/2201.12383.
    """

    sensitivity: Float[Tensor, "batch *shape"]
    """In squared units of the gradient for each unit of a pixel's range."""
    spread: float
    """Standard error of the mean over pixels, as a share of it: the estimate draws lots."""

    def leakage(self, noise: float) -> float:
        """`sqrt(Tr I / d)`: the dFIL of Guo et al., for noise in units of the gradient; infinite without noise."""
        mean = float(self.sensitivity.double().mean())
        return math.sqrt(mean) / noise if noise > 0 else math.inf * (mean > 0)

    def bound(self, noise: float) -> float:
        """The PSNR in dB that no unbiased attacker exceeds in the mean over all pixels."""
        return _decibels(self.leakage(noise))

    def bounds(self, noise: float) -> tuple[float, ...]:
        """The same for each example by itself."""
        means = self.sensitivity.double().flatten(1).mean(1).tolist()
        return tuple(_decibels(math.sqrt(mean) / noise) if noise > 0 else math.inf for mean in means)

    def noise_for(self, decibels: float) -> float:
        """The noise, in units of the gradient, at which the bound is so many dB."""
        return math.sqrt(float(self.sensitivity.double().mean())) * 10 ** (-decibels / 20)


def fisher_of(jacobian: Jacobian, probes: int, rng: Generator, extent: float = 1.0) -> Fisher:
    """The mean of `(Jᵀ u)²` over normal draws u, whose expectation is the diagonal of `JᵀJ`; never negative.

    In units of the range of the examples, which is `extent` long.
    """
    total = torch.zeros(jacobian.directions, dtype=torch.float64)
    means = []
    for _ in range(probes):
        drawn = torch.randn(jacobian.entries, generator=rng, dtype=jacobian.dtype)
        squares = jacobian.transposed_times(drawn).double().square()
        total += squares
        means.append(squares.mean())
    overall = torch.stack(means)
    error = float(overall.std() / math.sqrt(probes) / overall.mean().clamp_min(1e-300)) if probes > 1 else math.nan
    return Fisher(sensitivity=(extent**2 * total / probes).reshape(jacobian.inputs.shape), spread=error)


def _decibels(leakage: float) -> float:
    """`-10 log10` of the mean squared error `1 / leakage²`."""
    return 20 * math.log10(leakage) if leakage > 0 else -math.inf
