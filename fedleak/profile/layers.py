"""Layer profile: energy, rank and ReLU activity of each layer in an update, side by side."""

import math
from dataclasses import dataclass
from math import prod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.gradients.relu_activity import activity
from fedleak.learning.update import Meaning, UpdateKind, meaning_of, reach
from fedleak.profile.activity import alone, expected_draws, sparsity
from fedleak.profile.subject import Subject

WIDEST = 2048
"""Shorter side of a matrix beyond which its singular values would take too long."""
WIDE = 512
"""Shorter side from which they are taken of the Gram matrix: a quarter of the time, and half of the digits do."""
COMPUTED = 10.0
"""Last bits of a typical entry that a client's own arithmetic is taken to be off by, at most."""
Activity = dict[str, Bool[Tensor, "batch units"]]


@dataclass(frozen=True, kw_only=True)
class LayerProfile:
    """One layer in one update. None: it does not apply, or the truth is not at hand."""

    name: str
    kind: str
    """The module's class."""
    shape: tuple[int, ...]
    energy: float
    """Share of the update's squared norm; NaN where the update is zero."""
    rank: int | None
    """Numerical rank of the weight's gradient, for matrices."""
    full: int | None
    """The greatest rank of such a matrix."""
    sees_pixels: bool
    """Whether it is linear on the flattened image, so that its gradient's rows are mixtures of images."""
    sparsity: float | None
    """Share of its ReLUs that are off."""
    alone: int | None
    """Of a linear layer: examples with a neuron that they alone switch on."""
    draws: float | None
    """Of a linear layer: draws that SPEAR is expected to need; infinite where it never gets there."""


def layer_profiles(subject: Subject) -> tuple[LayerProfile, ...]:
    """The layers in the order of the network."""
    modules = dict(subject.observation.task.network.named_modules())
    active = activity_of(subject)
    pixels = pixel_layer(subject.observation.task.network, subject.observation.task.shape)
    limit = rank_limit(subject.observation)
    return tuple(
        _profile(layer, modules.get(layer.name), active.get(layer.name), limit, sees_pixels=layer.name == pixels)
        for layer in layers_of(subject.observation)
    )


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


def activity_of(subject: Subject) -> Activity:
    """Which ReLUs the true examples switch on; nothing where the truth is not at hand."""
    if subject.truth is None:
        return {}
    observation = subject.observation
    return activity(observation.task, observation.before, subject.truth.inputs, subject.training.mode or "train")


def pixel_layer(network: nn.Module, shape: tuple[int, ...]) -> str | None:
    """The first trainable layer, where it is linear on the whole example."""
    for name, module in network.named_modules():
        if list(module.parameters(recurse=False)):
            return name if isinstance(module, nn.Linear) and module.in_features == prod(shape) else None
    return None


def rank_limit(observation: Observation) -> int | None:
    """The examples that the update was made from, each step's counted; None where no rank can be held against them.

    Weight decay adds the weights themselves, which have full rank. Of one step they can be taken off again by whoever
    knows the learning rate, of several they cannot; nor can anybody say whether they are there who does not know the
    decay. Signs, which are what Adam leaves, have a rank of their own. Without the learning rate it is not known either
    how much of a delta is rounding of the weights.
    """
    training = observation.training
    if training.passes is None or training.batch_size is None or training.weight_decay is None:
        return None
    if meaning_of(training) is Meaning.SIGNS:
        return None
    if training.weight_decay and (training.steps != 1 or training.learning_rate is None):
        return None
    if training.learning_rate is None and observation.update.kind is UpdateKind.DELTA:
        return None
    if training.steps == 1:
        return observation.examples()
    return training.batch_size * training.passes * len(observation.cohort)


def layer_of(parameter: str) -> str:
    """`fc1` for `fc1.weight`."""
    return parameter.rpartition(".")[0] or parameter


def numerical_rank(matrix: Float[Tensor, "rows columns"], rounding: float) -> int:
    """Singular values above what independent errors of up to `rounding` an entry make: about (√m + √n) rounding.

    The client's own arithmetic in single precision adds errors of a few last bits of a typical entry.
    """
    values = _singular_values(matrix.double())
    typical = float(values.square().sum().sqrt()) / math.sqrt(matrix.numel())
    error = max(rounding, COMPUTED * torch.finfo(torch.float32).eps * typical)
    return int((values > error * sum(math.sqrt(side) for side in matrix.shape)).sum())


def _singular_values(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, " values"]:
    """All of them; of a wide matrix as roots of the Gram matrix's eigenvalues, right to some 1e-8 of the largest."""
    if min(matrix.shape) < WIDE:
        values: Tensor = torch.linalg.svdvals(matrix)
        return values
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    squares: Tensor = torch.linalg.eigvalsh(short @ short.T)
    return squares.clamp_min(0.0).sqrt()


def _profile(
    layer: Layer, module: nn.Module | None, active: Bool[Tensor, "batch units"] | None, limit: int | None, *,
    sees_pixels: bool,
) -> LayerProfile:  # fmt: skip
    linear = active if isinstance(module, nn.Linear) else None
    # The factorization that SPEAR starts from needs the rank to be the batch.
    whole = linear is not None and limit == len(linear) == layer.rank
    return LayerProfile(
        name=layer.name,
        kind=type(module).__name__ if module is not None else "parameter",
        shape=layer.shape,
        energy=layer.energy,
        rank=layer.rank,
        full=layer.full,
        sees_pixels=sees_pixels,
        sparsity=None if active is None else sparsity(active),
        alone=None if linear is None else alone(linear),
        draws=expected_draws(linear) if whole and linear is not None else None,
    )


def _energy(gradient: Tensor) -> float:
    return float(gradient.double().square().sum())


def _rank(observation: Observation, gradient: Tensor, name: str) -> int | None:
    if min(gradient.shape) > WIDEST or not bool(gradient.isfinite().all()):
        return None
    return numerical_rank(gradient, _rounding(observation, name))


def _rounding(observation: Observation, name: str) -> float:
    """How far an entry of the gradient may be off: a delta is a difference of weights that were rounded."""
    if observation.update.kind is UpdateKind.GRADIENT:
        return 0.0
    scale, before = reach(observation.training) or 1.0, observation.before.parameters[name]
    return torch.finfo(torch.float32).eps * float(before.abs().max()) * (observation.training.steps or 1) / scale


def _is_matrix(gradient: Tensor) -> bool:
    return gradient.ndim == 2 and min(gradient.shape) > 0
