"""Rows of an imprint: thresholds at quantiles, and the parameters that make them, in a module or by weights alone."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Generator, Tensor

from fedleak.errors import ConfigError
from fedleak.gradients.imprint import ImprintLayer
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.federation import FederationSettings

from .smoothed_quantiles import smoothed_quantiles

NEVER = 1e3
"""How many times the whole range away a threshold is that nothing reaches."""


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


def two_sided(count: int, rng: Generator) -> Float64[Tensor, " numbers"]:
    """Numbers between 1 and 2 in size, half of them negative, in random order.

    Where they are what classes count in a head, the gradients of two examples never add up to that of one: two of one
    sign are 2 or more, two of opposite signs 1 or less.
    """
    half = (count + 1) // 2
    sizes = 1.0 + (torch.arange(half, dtype=torch.float64) + 0.5) / half
    numbers: Tensor = torch.cat([sizes, -sizes])[:count]
    return numbers[torch.randperm(count, generator=rng)]
