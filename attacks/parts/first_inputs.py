"""Inputs of a first linear layer once their columns are known, and made exact with the network's own derivatives."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.observation import Observation

from .first_layer import FirstLayer
from .low_rank import LowRank, low_rank, rounding_of
from .objective import in_dtype, mode_of
from .sparse_columns import Column

MARGIN = 1e-4
"""How near zero, in units of its typical size, a neuron's sum may be and be called neither awake nor asleep."""
CLOSE = 3.0
"""How many times the noise may be left of a gradient that is explained."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The first layer's gradient and weights, in float64, and the low-rank part of its weight gradient."""

    gradient: Float[Tensor, "neurons features"]
    bias_gradient: Float[Tensor, " neurons"]
    weight: Float[Tensor, "neurons features"]
    bias: Float[Tensor, " neurons"]
    factors: LowRank


def read_layer(observation: Observation, names: FirstLayer) -> Layer:
    """The layer as the observation shows it; defined where the update is finite."""
    gradient, before = observation.gradient(), observation.before.parameters
    rounding = rounding_of(observation, names.weight)
    return Layer(
        gradient=gradient[names.weight].double(),
        bias_gradient=gradient[names.bias].double(),
        weight=before[names.weight].double(),
        bias=before[names.bias].double(),
        factors=low_rank(gradient[names.weight], observation.examples(), rounding),
    )


def inputs_of(layer: Layer, columns: list[Column]) -> Float[Tensor, "rank features"]:
    """The inputs x_j that go with the columns: `L R = Σ_j d_j x_jᵀ`, each d_j scaled so that `Σ_j d_j = dL/db`.

    The bias gradient is the sum of the derivatives, which is what fixes their lengths and signs.
    """
    directions = torch.stack([one.direction for one in columns], 1)
    derivatives = torch.stack([one.derivative for one in columns], 1)
    observed = layer.bias_gradient[layer.factors.awake]
    scale = torch.linalg.lstsq(derivatives, observed[:, None]).solution[:, 0]
    inputs: Tensor = torch.linalg.lstsq(directions * scale, layer.factors.right).solution
    return torch.nan_to_num(inputs, nan=0.5, posinf=1.0, neginf=0.0)


def agreement(layer: Layer, columns: list[Column], inputs: Float[Tensor, "rank features"]) -> Float[Tensor, " rank"]:
    """For each input the share of neurons that it wakes where, and only where, its column is not zero.

    A neuron without any gradient is asleep to all. Those that noise leaves a doubt about are not counted. The paper's
    sparsity matching, for each example alone.
    """
    awake = layer.factors.awake
    sums = inputs @ layer.weight.T + layer.bias
    zero, clear = torch.ones_like(sums, dtype=torch.bool), torch.ones_like(sums, dtype=torch.bool)
    zero[:, awake] = torch.stack([one.zero for one in columns])
    clear[:, awake] = torch.stack([one.clear for one in columns])
    counted = clear & (sums.abs() > MARGIN * sums.abs().mean())
    share: Tensor = (((sums <= 0) == zero) & counted).sum(1) / counted.sum(1).clamp_min(1)
    return share


def polished(
    observation: Observation,
    names: FirstLayer,
    layer: Layer,
    inputs: Float[Tensor, "batch channels height width"],
    labels: Int[Tensor, " batch"],
    turns: int = 3,
) -> Float[Tensor, "batch channels height width"]:
    """The least-squares inputs under the derivatives that the network itself has at the guess, and so on in turn.

    Labels and a good guess give the derivatives D in double precision, without the noise of the update, so that the
    inputs `D⁺ dL/dW` have the least error that the update permits. Returns the guess itself where they do not explain
    the gradient down to its noise: then the labels or the facts of training are not what they seem.
    """
    best = inputs
    for _ in range(turns):
        parts = [_derivative(observation, names, x[None], y[None]) for x, y in zip(best, labels, strict=True)]
        derivatives = torch.stack(parts, 1) / len(parts)
        best = torch.linalg.lstsq(derivatives, layer.gradient).solution.clamp(0.0, 1.0).reshape(inputs.shape)
        misfit = (derivatives @ best.flatten(1) - layer.gradient).square().mean().sqrt()
        if not misfit < CLOSE * layer.factors.noise:
            return inputs
    return best


def _derivative(observation: Observation, names: FirstLayer, image: Tensor, label: Tensor) -> Tensor:
    """The loss's derivative by the layer's outputs, which is the bias gradient of the example alone."""
    weights = in_dtype(observation.before, torch.float64)
    return observation.task.gradients(weights, image.double(), label, mode=mode_of(observation))[names.bias]
