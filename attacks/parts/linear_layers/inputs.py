"""Layer inputs by least squares, once their columns are known or a good guess is at hand."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.gradients.precision import in_dtype
from fedleak.gradients.rank import LowRank, low_rank, rounding_of

from ..applicability import mode_of
from ..classifier_head.gradient import ends
from .first_layer import FirstLayer
from .pixelwise import Pixelwise
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
    ends: tuple[tuple[Float[Tensor, "neurons features"], Float[Tensor, " neurons"]], ...]
    """Weights and biases that local steps were made from: at the start, and of several steps at the end."""
    factors: LowRank

    @property
    def weight(self) -> Float[Tensor, "neurons features"]:
        """At the start."""
        return self.ends[0][0]

    @property
    def bias(self) -> Float[Tensor, " neurons"]:
        """At the start."""
        return self.ends[0][1]


def read_layer(observation: Observation, names: FirstLayer) -> Layer:
    """The layer as the observation shows it; defined where the update is finite."""
    gradient = observation.gradient()
    return Layer(
        gradient=gradient[names.weight].double(),
        bias_gradient=gradient[names.bias].double(),
        ends=tuple(
            (weights.parameters[names.weight].double(), weights.parameters[names.bias].double())
            for weights in ends(observation)
        ),
        factors=low_rank(gradient[names.weight], observation.examples(), rounding_of(observation, names.weight)),
    )


def inputs_of(layer: Layer, columns: list[Column]) -> Float[Tensor, "rank features"]:
    """The inputs x_j that go with the columns: `L R = Σ_j d_j x_jᵀ`, each d_j scaled so that `Σ_j d_j = dL/db`.

    The bias gradient is the sum of the derivatives, which is what fixes their lengths and signs.
    """
    directions = torch.stack([column.direction for column in columns], 1)
    derivatives = torch.stack([column.derivative for column in columns], 1)
    observed = layer.bias_gradient[layer.factors.awake]
    scale = torch.linalg.lstsq(derivatives, observed[:, None]).solution[:, 0]
    inputs: Tensor = torch.linalg.lstsq(directions * scale, layer.factors.right).solution
    return torch.nan_to_num(inputs, nan=0.5, posinf=1.0, neginf=0.0)


def agreement(layer: Layer, columns: list[Column], inputs: Float[Tensor, "rank features"]) -> Float[Tensor, " rank"]:
    """For each input the share of neurons that it wakes where, and only where, its column is not zero.

    A neuron without any gradient is asleep to all. Not counted are those that noise leaves a doubt about, and those
    that may have changed sides between several local steps. The paper's sparsity matching, for each example alone.
    """
    asleep, counted = _asleep(layer, inputs)
    zero, clear = _patterns(layer, columns)
    counted &= clear
    share: Tensor = ((asleep == zero) & counted).sum(1) / counted.sum(1).clamp_min(1)
    return share


def contradictions(layer: Layer, columns: list[Column], inputs: Float[Tensor, "rank features"]) -> int:
    """Neurons that an input leaves asleep and that yet have a derivative for it, above any noise."""
    asleep, counted = _asleep(layer, inputs)
    zero, clear = _patterns(layer, columns)
    return int((asleep & ~zero & counted & clear).sum())


def _asleep(
    layer: Layer, inputs: Float[Tensor, "rank features"]
) -> tuple[Bool[Tensor, "rank neurons"], Bool[Tensor, "rank neurons"]]:
    """Which neurons each input leaves asleep, and whether that is sure."""
    sums = torch.stack([inputs @ weight.T + bias for weight, bias in layer.ends])
    moved = sums.amax(0) - sums.amin(0)
    far = sums.abs().amin(0) > torch.maximum(moved, MARGIN * sums.abs().mean())
    return sums[0] <= 0, far


def _patterns(layer: Layer, columns: list[Column]) -> tuple[Bool[Tensor, "rank neurons"], Bool[Tensor, "rank neurons"]]:
    """Where each column is zero, and where that is clear, over all neurons."""
    awake = layer.factors.awake
    zero = torch.ones(len(columns), len(awake), dtype=torch.bool)
    clear = zero.clone()
    zero[:, awake] = torch.stack([column.zero for column in columns])
    clear[:, awake] = torch.stack([column.clear for column in columns])
    return zero, clear


def polished(
    observation: Observation,
    names: FirstLayer,
    layer: Layer,
    front: Pixelwise,
    inputs: Float[Tensor, "batch *shape"],
    labels: Int[Tensor, "batch *classes"],
    turns: int = 3,
) -> Float[Tensor, "batch *shape"]:
    """The least-squares inputs under the derivatives that the network itself has at the guess, and so on in turn.

    Labels and a good guess give the derivatives D in double precision, without the noise of the update, so that the
    inputs `D⁺ dL/dW` have the least error that the update permits; `front` makes the layer's inputs of images. Returns
    the guess itself where they do not explain the gradient down to its noise: then the labels or the facts of training
    are not what they seem.
    """
    best = inputs
    for _ in range(turns):
        parts = [_derivative(observation, names, x[None], y[None]) for x, y in zip(best, labels, strict=True)]
        derivatives = torch.stack(parts, 1) / len(parts)
        solved = front.images(torch.linalg.lstsq(derivatives, layer.gradient).solution)
        best = observation.task.space.clamped(solved).reshape(inputs.shape)
        misfit = (derivatives @ front.features(best.flatten(1)) - layer.gradient).square().mean().sqrt()
        if not misfit < CLOSE * layer.factors.noise:
            return inputs
    return best


def _derivative(observation: Observation, names: FirstLayer, image: Tensor, label: Tensor) -> Tensor:
    """The loss's derivative by the layer's outputs, which is the bias gradient of the example alone."""
    weights = in_dtype(observation.before, torch.float64)
    return observation.task.gradients(weights, image.double(), label, mode=mode_of(observation))[names.bias]


# Alternating least squares: guess, derivatives, inputs, and so on in turn.

TURNS = 20
REWEIGHTINGS = 6
GAIN = 0.9
"""What the misfit must fall to in a turn, or the turns are over."""


def refitted(
    inputs: Float[Tensor, "batch features"],
    gradient: Float[Tensor, "neurons features"],
    derivatives: Callable[[Float[Tensor, "batch features"]], Float[Tensor, "batch neurons"]],
    bounds: tuple[float, float],
) -> Float[Tensor, "batch features"]:
    """The inputs X at which `D(X)ᵀ X` is nearest to the layer's gradient, of those that the turns came by.

    D(X) are the network's own derivatives at a guess, in double precision and without the noise of the update. Where
    the guess is near, which neurons sleep is right, D depends on it only weakly, and each turn shrinks the error; where
    it is far, the misfit rises and the guess stays what it was.
    """
    best, least = inputs, float("inf")
    tried = inputs
    for _ in range(TURNS):
        derivative = derivatives(tried)
        misfit = float((derivative.T @ tried - gradient).norm())
        if not misfit < GAIN * least:
            break
        best, least = tried, misfit
        tried = _robust(derivative.T, gradient).clamp(*bounds)
    return best


def _robust(
    derivatives: Float[Tensor, "neurons batch"], gradient: Float[Tensor, "neurons features"]
) -> Float[Tensor, "batch features"]:
    """Least absolute, not least squares, over the neurons: one that is wrongly taken for asleep spoils nothing."""
    weight = torch.ones(len(gradient), 1, dtype=gradient.dtype)
    for _ in range(REWEIGHTINGS):
        solution: Tensor = torch.linalg.lstsq(weight * derivatives, weight * gradient, driver="gelsd").solution
        rest = (derivatives @ solution - gradient).norm(dim=1, keepdim=True)
        weight = (rest + 1e-9 * gradient.norm()).rsqrt()
    return solution
