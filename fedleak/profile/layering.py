"""The indicators of each layer, side by side."""

from dataclasses import dataclass
from math import prod

from jaxtyping import Bool
from torch import Tensor, nn

from fedleak.profile.activity import activity, sparsity
from fedleak.profile.layers import Layer, layers_of, rank_limit
from fedleak.profile.singletons import alone
from fedleak.profile.spear import expected_draws
from fedleak.profile.subject import Subject

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


def activity_of(subject: Subject) -> Activity:
    """Which ReLUs the true examples switch on; nothing where the truth is not at hand."""
    if subject.truth is None:
        return {}
    observation = subject.observation
    return activity(observation.task, observation.before, subject.truth.inputs, subject.training.mode or "train")


def pixel_layer(network: nn.Module, shape: tuple[int, int, int]) -> str | None:
    """The first trainable layer, where it is linear on the whole image."""
    for name, module in network.named_modules():
        if list(module.parameters(recurse=False)):
            return name if isinstance(module, nn.Linear) and module.in_features == prod(shape) else None
    return None


def _profile(
    layer: Layer, module: nn.Module | None, active: Bool[Tensor, "batch units"] | None, limit: int | None, *,
    sees_pixels: bool,
) -> LayerProfile:  # fmt: skip
    linear = active if isinstance(module, nn.Linear) else None
    # The factorisation that SPEAR starts from needs the rank to be the batch.
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
