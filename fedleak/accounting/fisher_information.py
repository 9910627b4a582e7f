"""The least error of an attacker who knows nothing of what images look like, by the Fisher information of an update."""

import math
from dataclasses import dataclass

from fedleak.profile.fisher import Fisher


@dataclass(frozen=True, kw_only=True)
class ErrorFloor:
    """Mean squared errors that no unbiased guess stays below in the mean over the noise, one for each image."""

    errors: tuple[float, ...]
    """In squared units of a pixel's range."""

    @property
    def decibels(self) -> tuple[float, ...]:
        """The same as PSNR in dB, which no unbiased guess exceeds."""
        return tuple(-10 * math.log10(error) if error > 0 else math.inf for error in self.errors)


def error_floor(fisher: Fisher, noise: float, *, shortened: float = 1.0, releases: int = 1) -> ErrorFloor:
    """`d / Tr I` for each image of d pixels, with `I = releases (shortened / noise)² JᵀJ` (Cramér-Rao).

    `noise` is in units of the gradient, `shortened` what clipping left of its length: a clipped gradient says no more
    than the whole one times that. Infinite information without noise. An attacker who knows what photos look like is
    biased and may do better: that is a finding about the prior, and no bug. Source: Guo et al. 2022,
    https://arxiv.org/abs/2201.12383.
    """
    means = fisher.sensitivity.double().flatten(1).mean(1).tolist()
    return ErrorFloor(errors=tuple(_floor(mean * releases * shortened**2, noise) for mean in means))


def _floor(information: float, noise: float) -> float:
    if information == 0:
        return math.inf
    return noise**2 / information
