"""The walk from a network's last layer to its first: each layer's input and derivative out of those behind it."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.learning.weights import NamedTensors
from fedleak.progress import report

from .activation_inverses import kink, turned, unbent
from .head_features import HeadFeatures
from .kinks import settle
from .layer_chain import Link
from .layer_solution import Layer, Solved, solve
from .rank_analysis import Step


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
) -> Walk | str:
    """From the head's features to the first layer's input; or at which layer there is no way on."""
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
        found = step(link, weights, gradient, behind)
        if not isinstance(found, tuple):
            return found
        behind, rank = found
        steps.append(Step(name=link.name, unknowns=link.inputs, rank=rank))
    return Walk(inputs=behind.features, steps=tuple(steps))


def _linear(link: Link, weights: NamedTensors, gradient: NamedTensors, behind: Behind) -> tuple[Behind, int] | str:
    """`dL/dW = d xᵀ` alone determines x, by least squares; d is the bias gradient where there is one."""
    below = kink(link.activation)
    features = behind.features.flatten()
    side = turned(link.activation, features) if below is None else unbent(features, features > 0, below)
    derivative = gradient[link.bias] if link.bias else behind.derivative.flatten() * side.slope
    energy = derivative.square().sum()
    if not energy > 0:
        return f"no derivative comes through layer '{link.name}', so its gradient says nothing about its input"
    inputs = gradient[link.weight].T @ derivative / energy
    rest = (gradient[link.weight] - derivative[:, None] * inputs).norm() / gradient[link.weight].norm()
    before = (weights[link.weight].T @ derivative).reshape(link.shape)
    return Behind(features=inputs.reshape(link.shape), derivative=before, error=float(rest)), link.inputs


def _convolution(link: Link, weights: NamedTensors, gradient: NamedTensors, behind: Behind) -> tuple[Behind, int] | str:
    """The least-squares input of a convolution."""
    assert isinstance(link.module, nn.Conv2d)
    if not behind.derivative.any():
        return f"no derivative comes through layer '{link.name}', so its gradient says nothing about its input"
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
