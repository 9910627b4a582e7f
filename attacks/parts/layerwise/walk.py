"""Layer-wise inversion: each layer's input and derivative from those of the next, with ReLU signs resolved."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from fedleak.errors import NotApplicable
from fedleak.learning.weights import NamedTensors
from fedleak.progress import report

from .determinacy import Step
from .equations import Layer, Solved, Vector, solve
from .head_features import HeadFeatures
from .linear_chain import Link, kink, turned, unbent

# Resolves ReLU sign ambiguities. The derivative behind a LeakyReLU depends on the sign of each of its inputs. A small
# feature of the wrong sign makes the derivative wrong by a factor there, and its filter's gradient equations with it;
# no other single error does as much harm on the way back through the layers.

DOUBT = 50.0
"""How many times its likely error a feature must be for its sign to be trusted."""
MOST = 64
"""Features that are doubted at most, the smallest."""
SURE = 9.0
"""Variances that a change of side must take off the squared residual."""
TURNS = 4
"""How often sides are changed and the equations solved again, at most."""


def settle(layer: Layer, below: float) -> Solved:
    """The input under the sides that the equations like best, starting from the features' signs."""
    positive = layer.features > 0
    best = solve(layer, unbent(layer.features, positive, below))
    size = layer.features.abs().flatten()
    smallest = size.argsort(stable=True)[:MOST]
    doubtful = smallest[size[smallest] < DOUBT * layer.error * size.square().mean().sqrt()]
    for _ in range(TURNS):
        changed = _better_sides(layer, best, doubtful, positive, below)
        if torch.equal(changed, positive):
            break
        trial = solve(layer, unbent(layer.features, changed, below))
        if trial.left >= best.left:
            break
        best, positive = trial, changed
    return best


def _better_sides(
    layer: Layer, solved: Solved, doubtful: Tensor, positive: Bool[Tensor, "filters rows columns"], below: float
) -> Bool[Tensor, "filters rows columns"]:
    """Changes one side after the other while that takes more off the squared residual than noise would.

    To first order a slope t that is off by δ changes the residual r by `-δ J`, J being the feature's part of its
    filter's gradient, less what the input can make up for.
    """
    if not len(doubtful):
        return positive
    pull, curvature = _influence(layer, solved, doubtful)
    side = positive.flatten()[doubtful].numpy().copy()
    for _ in range(2 * len(side)):
        change = np.where(side, below - 1.0, 1.0 - below)
        gain = change**2 * curvature.diagonal() - 2 * change * pull
        place = int(gain.argmin())
        if gain[place] > -SURE * solved.variance:
            break
        pull = pull - change[place] * curvature[:, place]
        side[place] = ~side[place]
    sides = positive.flatten().clone()
    sides[doubtful] = torch.from_numpy(side)
    return sides.reshape(positive.shape)


def _influence(layer: Layer, solved: Solved, doubtful: Tensor) -> tuple[Vector, Vector]:
    """`Jᵀ r` and `Jᵀ P J` for the slopes of doubtful features, P projecting away what a change of input explains."""
    module, equations = layer.module, solved.equations
    filters, channels = layer.weight.shape[:2]
    image = torch.from_numpy(solved.inputs).reshape(1, *layer.shape)
    patches = F.unfold(image, module.kernel_size, module.dilation, module.padding, module.stride)[0]  # type: ignore[arg-type]
    places = patches.shape[1]
    which, where = (doubtful // places).numpy(), doubtful % places
    part = patches[:, where] * layer.derivative.flatten()[doubtful] / _scale(layer)
    parts = part.reshape(channels, -1, len(doubtful)).permute(2, 1, 0).numpy()  # doubtful, taps, channels
    residual = equations.residuals(solved.inputs)[1].reshape(filters, -1, channels)
    pull = np.einsum("itc,itc->i", residual[which], parts)
    same = which[:, None] == which[None]
    direct = np.einsum("itc,jtc->ij", parts, parts) * same
    rows = equations.derivatives.toarray().reshape(filters, parts.shape[1], -1)
    moved = np.einsum("itp,itc->cpi", rows[which], parts).reshape(-1, len(which))
    return pull, direct - moved.T @ solved.factor.solve(moved)


def _scale(layer: Layer) -> float:
    """What the equations divide the gradient by."""
    return float(layer.gradient.square().mean().sqrt().clamp_min(1e-300))


NO_DERIVATIVE = "no derivative comes through layer '{}', so its gradient says nothing about its input"


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Where a walk has come to: an input, and the steps to it from the last layer on."""

    inputs: Float[Tensor, "*shape"]
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What is known at a layer's output: the features, the loss's derivative by them, their likely relative error."""

    features: Float[Tensor, "*shape"]
    derivative: Float[Tensor, "*shape"]
    error: float


def walk_back(
    chain: tuple[Link, ...], weights: NamedTensors, gradient: NamedTensors, head: HeadFeatures, error: float
) -> Walk:
    """From the head's features to the first layer's input; raises `NotApplicable` at a layer that ends the walk."""
    last = chain[-1]
    behind = Behind(
        features=head.features.reshape(last.shape),
        derivative=(weights[last.weight].T @ head.derivative).reshape(last.shape),
        error=max(error, head.misfit),
    )
    steps = [Step(name=last.name, unknowns=last.inputs, rank=last.inputs)]
    for done, link in enumerate(reversed(chain[:-1]), start=1):
        report(done, len(chain))
        step = _linear if isinstance(link.module, nn.Linear) else _convolution
        behind, rank = step(link, weights, gradient, behind)
        steps.append(Step(name=link.name, unknowns=link.inputs, rank=rank))
    return Walk(inputs=behind.features, steps=tuple(steps))


def _linear(link: Link, weights: NamedTensors, gradient: NamedTensors, behind: Behind) -> tuple[Behind, int]:
    """`dL/dW = d xᵀ` alone determines x, by least squares; d is the bias gradient where there is one."""
    below = kink(link.activation)
    features = behind.features.flatten()
    side = turned(link.activation, features) if below is None else unbent(features, features > 0, below)
    derivative = gradient[link.bias] if link.bias else behind.derivative.flatten() * side.slope
    energy = derivative.square().sum()
    if not energy > 0:
        raise NotApplicable(NO_DERIVATIVE.format(link.name))
    inputs = gradient[link.weight].T @ derivative / energy
    rest = (gradient[link.weight] - derivative[:, None] * inputs).norm() / gradient[link.weight].norm()
    before = (weights[link.weight].T @ derivative).reshape(link.shape)
    return Behind(features=inputs.reshape(link.shape), derivative=before, error=float(rest)), link.inputs


def _convolution(link: Link, weights: NamedTensors, gradient: NamedTensors, behind: Behind) -> tuple[Behind, int]:
    """The least-squares input of a convolution."""
    assert isinstance(link.module, nn.Conv2d)
    if not behind.derivative.any():
        raise NotApplicable(NO_DERIVATIVE.format(link.name))
    layer = Layer(
        module=link.module,
        shape=link.shape,
        weight=weights[link.weight],
        bias=weights[link.bias] if link.bias else None,
        gradient=gradient[link.weight],
        features=behind.features.reshape(link.outputs),
        derivative=behind.derivative.reshape(link.outputs),
        error=behind.error,
    )
    below = kink(link.activation)
    solved = solve(layer, turned(link.activation, layer.features)) if below is None else settle(layer, below)
    inputs = torch.from_numpy(solved.inputs).reshape(link.shape)
    module, blank = link.module, torch.zeros(1, *link.shape, dtype=layer.weight.dtype, requires_grad=True)
    outputs = F.conv2d(blank, layer.weight, None, module.stride, module.padding, module.dilation)
    (derivative,) = torch.autograd.grad(outputs, blank, (layer.derivative * solved.turned.slope)[None])
    return Behind(features=inputs, derivative=derivative[0], error=_error(solved)), solved.factor.rank


def _error(solved: Solved) -> float:
    """The larger root mean square residual of the two kinds of equations, whose right sides have one of 1."""
    return max(
        float(np.sqrt(np.square(part).mean())) for part in solved.equations.residuals(solved.inputs) if part.size
    )
