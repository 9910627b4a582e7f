"""Bins of a planted layer: the sum of the gradients of the images that lie between two thresholds, bin by bin."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.gradients.imprint import ImprintLayer
from fedleak.gradients.precision import spacing
from fedleak.learning.update import effective_steps

from ..linear_layers.first_layer import FirstLayer
from ..linear_layers.pixelwise import Pixelwise, pixelwise

LOUD = 8.0
"""Standard deviations of noise beyond which a bin is taken to hold an image."""
FAINT = 1e-4
"""Share of the loudest bin below which one is rounding noise, however little of that is known."""
OUTSIDE = 0.02
"""How far outside the range, in units of it, an image may lie; and outside its bin, in units of that."""
FAR = 4.0
"""Standard deviations of noise that it may lie further outside."""


@dataclass(frozen=True, kw_only=True)
class Bins:
    """What is read of each bin that something was in, the loudest first.

    Of images in a bin with derivatives s_i the sums `Σ s_i x_i` and `Σ s_i` are known, and so their quotient: the image
    where there is one. Of N images that one step was taken on, s_i is the derivative of an image's own loss.
    """

    images: Float64[Tensor, "bins pixels"]
    """The quotients, as images."""
    sums: Float64[Tensor, " bins"]
    """`Σ s_i`."""
    error: Float64[Tensor, " bins"]
    """Standard deviation of the relative error of that sum, by rounding and known noise."""
    along: Float64[Tensor, " bins"]
    """Where the quotient lies along the direction of the rows."""
    lower: Float64[Tensor, " bins"]
    upper: Float64[Tensor, " bins"]
    row: Int64[Tensor, " bins"]
    """Which row each is."""

    def __len__(self) -> int:
        return len(self.sums)

    def __getitem__(self, chosen: Tensor) -> "Bins":
        return Bins(
            images=self.images[chosen],
            sums=self.sums[chosen],
            error=self.error[chosen],
            along=self.along[chosen],
            lower=self.lower[chosen],
            upper=self.upper[chosen],
            row=self.row[chosen],
        )

    def plausible(self, bounds: tuple[float, float]) -> Bool[Tensor, " bins"]:
        """Which quotients could be an image: within the range, and in the bin that they came from."""
        low, high = bounds
        margin = (OUTSIDE + FAR * self.error)[:, None] * (high - low)
        within = ((self.images > low - margin) & (self.images < high + margin)).all(1)
        width = torch.where(self.upper.isfinite(), self.upper - self.lower, torch.zeros_like(self.lower))
        room = OUTSIDE * width + FAR * self.error * self.along.abs() + 1e-6 * self.along.abs()
        own: Bool[Tensor, " bins"] = (self.along > self.lower - room) & (self.along < self.upper + room)
        return within & own


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The gradients of planted rows, each in units of how it goes with the layer behind, by ascending thresholds."""

    weight: Float64[Tensor, "rows pixels"]
    bias: Float64[Tensor, " rows"]
    error: Float64[Tensor, " rows"]
    """Standard deviation of an entry's error, by rounding and known noise."""
    lower: Float64[Tensor, " rows"]
    """Where a row wakes."""
    upper: Float64[Tensor, " rows"]
    """Where the next one does."""
    sent: Bool[Tensor, "rows pixels"]
    """Which entries clients sent."""
    direction: Float64[Tensor, " pixels"]
    front: Pixelwise

    def less_next(self) -> "Rows":
        """Each row less the next: what lies between their thresholds, of rows that do not saturate."""
        error = (self.error.square() + torch.cat([self.error[1:], self.error[:1] * 0]).square()).sqrt()
        both = self.sent & torch.cat([self.sent[1:], torch.ones_like(self.sent[:1])])
        return replace(self, weight=_less_next(self.weight), bias=_less_next(self.bias), error=error, sent=both)

    def loud(self) -> Bins:
        """The bins that are louder than their error."""
        loudest = float(self.bias.abs().max()) if len(self.bias) else 0.0
        ranked = self.bias.abs().argsort(descending=True, stable=True)
        sizes = self.bias[ranked].abs()
        chosen = ranked[(sizes > LOUD * self.error[ranked]) & (sizes > FAINT * loudest)]
        seen = self.weight[chosen] / self.bias[chosen, None]
        return Bins(
            images=self.front.images(seen),
            sums=self.bias[chosen],
            error=self.error[chosen] / self.bias[chosen].abs(),
            along=seen @ self.direction,
            lower=self.lower[chosen],
            upper=self.upper[chosen],
            row=chosen,
        )


def read_bins(observation: Observation, layer: ImprintLayer, front: Pixelwise | None = None) -> Bins:
    """The bins that are louder than rounding."""
    return binned(observation, layer, front).loud()


def binned(observation: Observation, layer: ImprintLayer, front: Pixelwise | None = None) -> Rows:
    """Rows as what lies between one threshold and the next."""
    rows = planted_rows(observation, layer, front)
    return rows if layer.sparse else rows.less_next()


def planted_rows(observation: Observation, layer: ImprintLayer, front: Pixelwise | None = None) -> Rows:
    """The rows that were planted and have a part in the loss.

    The layer sees the image, each pixel scaled and shifted at most, if no other front is given.
    """
    thresholds, order = layer.thresholds(observation.before).sort()
    order, thresholds = order[thresholds.isfinite()], thresholds[thresholds.isfinite()]
    gains = layer.gains(observation.before)[order]
    order, thresholds, gains = (one[gains != 0] for one in (order, thresholds, gains))
    gradient, unit = observation.gradient(), unit_of(observation)
    return Rows(
        weight=unit * gradient[layer.weight].double()[order] / gains[:, None],
        bias=unit * gradient[layer.bias].double()[order] / gains,
        error=unit * _noise(observation, layer)[order] / gains.abs(),
        lower=thresholds,
        upper=torch.cat([thresholds[1:], torch.full_like(thresholds[:1], torch.inf)]),
        sent=sent_entries(observation, layer.weight)[order],
        direction=layer.direction(observation.before),
        front=front or pixelwise(observation, FirstLayer(weight=layer.weight, bias=layer.bias, behind="")),
    )


def sent_entries(observation: Observation, parameter: str) -> Bool[Tensor, "rows pixels"]:
    """Which entries of a parameter's update were sent, where defenses leave some out and none is what others sent."""
    update = observation.update
    masks = [mask[parameter] for defense in observation.defense if (mask := defense.observed_mask(update)) is not None]
    every = torch.ones_like(update.tensors[parameter], dtype=torch.bool)
    return every if not masks else torch.stack(masks).all(0)


def unit_of(observation: Observation) -> float:
    """What a mean gradient is multiplied with to be that of one example's own loss, of one that moved a row once.

    Each client takes the mean over a batch, and the sum counts clients by their examples; where a row rests after its
    first step, the mean over steps has it once.
    """
    training = observation.training
    if training.batches is None or training.epochs is None:
        return float(observation.examples())
    return float(observation.examples()) * (effective_steps(training) or 1.0) / training.batches


def _less_next(rows: Float64[Tensor, "rows *columns"]) -> Float64[Tensor, "rows *columns"]:
    """Each row less the next: what it has beyond it."""
    return rows - torch.cat([rows[1:], torch.zeros_like(rows[:1])])


def _noise(observation: Observation, layer: ImprintLayer) -> Float64[Tensor, " rows"]:
    """Standard deviation of an entry of the mean gradient of the bias: weights round, and defenses add noise."""
    before, update = observation.before.parameters[layer.bias], observation.update.tensors[layer.bias]
    clients, length = len(observation.cohort), length_of(observation, layer)
    after = before + clients * update  # where one client alone moved it
    rounding = (
        spacing(torch.maximum(before.abs(), after.abs())).double().square() + spacing(update).double().square()
    ) / 12
    noise = observation.defense.noise_variance(observation.training)
    return ((rounding + noise) / clients).sqrt() * length


def length_of(observation: Observation, layer: ImprintLayer) -> float:
    """How much longer the gradient is than the update."""
    update = observation.update.tensors[layer.bias].double()
    gradient = observation.gradient()[layer.bias].double()
    return float(gradient.norm() / update.norm().clamp_min(1e-300))
