"""What an update gives away by its shape alone: how its energy lies in the layers, and the rank of its matrices."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.update import UpdateKind

WIDEST = 2048
"""Shorter side of a matrix beyond which its singular values would take too long."""
COMPUTED = 10.0
"""Last bits of a typical entry that a client's own arithmetic is taken to be off by, at most."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of the network in one update."""

    name: str
    shape: tuple[int, ...]
    """Of its weight."""
    energy: float
    """Its share of the update's squared norm; NaN where the update is zero."""
    rank: int | None
    """Numerical rank of its weight's gradient; None where that is no matrix (a convolution, a norm) or too wide."""
    full: int | None
    """The greatest rank that a matrix of its shape can have."""


def layers_of(observation: Observation) -> list[Layer]:
    """The layers of an update, in the order of the network.

    A fully connected layer's gradient is `dL/dW = Σᵢ δᵢ xᵢᵀ`, one outer product for each example, so its rank is at
    most the number of examples. Counted are the singular values above what rounding of the weights to float32 explains.
    """
    gradient = observation.gradient()
    names: dict[str, list[str]] = {}
    for name in gradient:
        names.setdefault(layer_of(name), []).append(name)
    energies = {layer: sum(_energy(gradient[name]) for name in own) for layer, own in names.items()}
    total = sum(energies.values())
    return [
        Layer(
            name=layer,
            shape=tuple(gradient[own[0]].shape),
            energy=energies[layer] / total if total > 0 else math.nan,
            rank=next((_rank(observation, gradient[name], name) for name in own if _is_matrix(gradient[name])), None),
            full=next((min(gradient[name].shape) for name in own if _is_matrix(gradient[name])), None),
        )
        for layer, own in names.items()
    ]


def rank_limit(observation: Observation) -> int | None:
    """The examples that the update was made from, each step's counted; None where no rank can be held against them.

    Weight decay adds the weights themselves, which have full rank. Of one step they can be taken off again by whoever
    knows the learning rate, of several they cannot; nor can anybody say whether they are there who does not know the
    decay. Without the learning rate it is not known either how much of a delta is rounding of the weights.
    """
    training = observation.training
    if training.steps is None or training.batch_size is None or training.weight_decay is None:
        return None
    if training.weight_decay and (training.steps > 1 or training.learning_rate is None):
        return None
    if training.learning_rate is None and observation.update.kind is UpdateKind.DELTA:
        return None
    if training.steps == 1:
        return observation.examples()
    return training.batch_size * training.steps * len(observation.cohort)


def layer_of(parameter: str) -> str:
    """`fc1` for `fc1.weight`."""
    return parameter.rpartition(".")[0] or parameter


def numerical_rank(matrix: Float[Tensor, "rows columns"], rounding: float) -> int:
    """Singular values above what independent errors of up to `rounding` an entry make: about (√m + √n) rounding.

    The client's own arithmetic in single precision adds errors of a few last bits of a typical entry.
    """
    values = torch.linalg.svdvals(matrix.double())
    typical = float(values.square().sum().sqrt()) / math.sqrt(matrix.numel())
    error = max(rounding, COMPUTED * torch.finfo(torch.float32).eps * typical)
    return int((values > error * sum(math.sqrt(side) for side in matrix.shape)).sum())


def _rank(observation: Observation, gradient: Tensor, name: str) -> int | None:
    if min(gradient.shape) > WIDEST or not bool(gradient.isfinite().all()):
        return None
    return numerical_rank(gradient, _rounding(observation, name))


def _rounding(observation: Observation, name: str) -> float:
    """How far an entry of the gradient may be off: a delta is a difference of weights that were rounded."""
    if observation.update.kind is UpdateKind.GRADIENT:
        return 0.0
    training = observation.training
    steps, rate = training.effective_steps, training.learning_rate
    scale = 1.0 if steps is None or rate is None else rate * steps
    before = observation.before.parameters[name]
    return torch.finfo(torch.float32).eps * float(before.abs().max()) * (training.steps or 1) / scale


def _is_matrix(gradient: Tensor) -> bool:
    return gradient.ndim == 2 and min(gradient.shape) > 0


def _energy(gradient: Tensor) -> float:
    return float(gradient.double().square().sum())
