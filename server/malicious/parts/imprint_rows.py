"""Rows of an imprint: thresholds at quantiles, and the parameters that make them, in a module or by weights alone."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import ndtr
from torch import Generator, Tensor, from_numpy

from fedleak.errors import ConfigError
from fedleak.gradients.imprint import ImprintLayer
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.federation import FederationSettings

NEVER = 1e3
"""How many times the whole range away a threshold is that nothing reaches."""
STEEPER = 1e3
"""How many times as steep rows with ReLUs are over several local steps, in which they all move."""
GRID = 4096
"""Points that the distribution function is computed at; between them it is a straight line."""
KERNELS = 1024
"""Values at most that the distribution is told from; of more, as many evenly spaced in their order."""
TAILS = 5.0
"""Widths of the kernel beyond the outermost example at which the distribution ends."""


def cohort_examples(federation: FederationSettings, cohort: int | None = None) -> int:
    """How many examples a sum over the cohort is of, at most, each counted once."""
    if not isinstance(federation.batches, int):
        raise ConfigError(
            "'imprint' in its one-shot form makes a bin for one of all examples of a round, whose number it must know, "
            f'and federation.batches is "{federation.batches}"; set it to a number, or take another form'
        )
    return (cohort or federation.clients) * federation.batches * federation.batch_size


def bin_edges(seen: Float64[Tensor, " examples"], bins: int, expected: int | None = None) -> Float64[Tensor, " edges"]:
    """Ascending edges of bins that each have the same share of the smoothed distribution, half of one beyond each end.

    With `expected` examples each has a share of one of these at most, and the bins are those about the middle.
    """
    levels = (torch.arange(bins + 1, dtype=torch.float64) + 0.5) / (bins + 1)
    if expected is not None and expected > bins:
        levels = 0.5 + (torch.arange(bins + 1, dtype=torch.float64) - bins / 2) / expected
    return smoothed_quantiles(seen, levels)


def silverman_width(values: Float64[np.ndarray, " values"]) -> float:
    """`0.9 min(s, IQR / 1.349) n^(-1/5)`, the rule of thumb for the width of a normal kernel.

    Source: Silverman 1986, "Density Estimation for Statistics and Data Analysis", p. 48.
    """
    quarter, three_quarters = np.percentile(values, [25, 75])
    spread = float(values.std(ddof=1))
    robust = float(three_quarters - quarter) / 1.349
    return 0.9 * (min(spread, robust) if robust > 0 else spread) / float(len(values) ** 0.2)


def smoothed_quantiles(
    values: Float64[Tensor, " values"], levels: Float64[Tensor, " levels"]
) -> Float64[Tensor, " levels"]:
    """The quantiles at some levels of the values' distribution, smoothed with a normal kernel."""
    known = values.numpy()
    if len(known) > KERNELS:
        known = np.quantile(known, (np.arange(KERNELS) + 0.5) / KERNELS)
    width = max(silverman_width(known), 1e-12 * float(np.abs(known).max(initial=1.0)))
    grid = np.linspace(known.min() - TAILS * width, known.max() + TAILS * width, GRID)
    below = ndtr((grid[:, None] - known[None]) / width).mean(1)
    return from_numpy(np.interp(levels.numpy(), below, grid))


@dataclass(frozen=True, kw_only=True)
class Planting:
    """What rows are to be, in numbers."""

    layer: ImprintLayer
    direction: Float64[Tensor, " pixels"]
    """Along which examples are sorted; of norm 1."""
    edges: Float64[Tensor, " edges"]
    """One more than rows; the last one is where the last row saturates, if it does."""
    gain: float
    """What a row gives at the end of its bin where it saturates, else at the end of all bins."""
    shift: float
    """What all rows together add at that end."""

    @property
    def slopes(self) -> Float64[Tensor, " rows"]:
        widths = self.edges.diff().clamp_min(1e-9 * self._span)  # where public examples agree, bins have no width
        return self.gain / widths if self.layer.sparse else torch.full_like(widths, self.gain / self._span)

    @property
    def _span(self) -> float:
        return float(self.edges[-1] - self.edges[0]) or 1.0

    def in_module(self) -> NamedTensors:
        """The parameters of an imprint module; what it adds is `shift` times the mean over rows, in units of `gain`."""
        return {
            self.layer.weight: self.slopes[:, None] * self.direction,
            self.layer.bias: -self.slopes * self.edges[:-1],
            self.layer.behind: torch.full((1, len(self.slopes)), self.shift / self.gain / len(self.slopes)),
        }

    def by_weights(self, weights: Weights, rng: Generator) -> NamedTensors:
        """The same rows in a first linear layer, and behind it a layer with one and the same column for each row.

        Rows beyond those never wake.
        """
        bias, behind = weights.parameters[self.layer.bias], weights.parameters[self.layer.behind]
        slope = float(self.slopes[0])
        thresholds = torch.full((len(bias),), float(self.edges[-1]) + NEVER * self._span, dtype=torch.float64)
        thresholds[: len(self.slopes)] = self.edges[:-1]
        column = two_sided(len(behind), rng) * (self.shift / self.gain / len(self.slopes))
        return {
            self.layer.weight: slope * self.direction.expand(len(bias), -1),
            self.layer.bias: -slope * thresholds,
            self.layer.behind: column[:, None].expand(-1, len(bias)),
        }


def planting(
    layer: ImprintLayer,
    seen: Float64[Tensor, "examples pixels"],
    bins: int,
    rng: Generator,
    *,
    gain: float,
    shift: float,
    passes: int | None = 1,
    expected: int | None = None,
) -> Planting:
    """Rows along a random direction, with thresholds by what a layer sees of public examples.

    Over several local steps, in which all rows with ReLUs move, these are the steeper for it.
    """
    direction = torch.randn(seen.shape[1], generator=rng, dtype=torch.float64)
    direction /= direction.norm()
    return Planting(
        layer=layer,
        direction=direction,
        edges=bin_edges(seen @ direction, bins, expected),
        gain=gain if layer.sparse or passes == 1 else STEEPER * gain,
        shift=shift,
    )


def two_sided(count: int, rng: Generator) -> Float64[Tensor, " numbers"]:
    """Numbers between 1 and 2 in size, half of them negative, in random order.

    Where they are what classes count in a head, the gradients of two examples never add up to that of one: two of one
    sign are 2 or more, two of opposite signs 1 or less.
    """
    half = (count + 1) // 2
    sizes = 1.0 + (torch.arange(half, dtype=torch.float64) + 0.5) / half
    numbers: Tensor = torch.cat([sizes, -sizes])[:count]
    return numbers[torch.randperm(count, generator=rng)]
