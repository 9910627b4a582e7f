"""Weights: a model's state as it crosses the wire, named parameters and named buffers."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedleak.errors import NonFiniteError

NamedTensors = dict[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """Parameters and buffers by name; together a torch `state_dict`."""

    parameters: NamedTensors
    """Those that are trained."""
    buffers: NamedTensors
    """The rest of the state, frozen parameters (`requires_grad = False`) among it."""

    @classmethod
    def of(cls, network: nn.Module) -> "Weights":
        """A network's own tensors, not copied."""
        trained: NamedTensors = {name: one for name, one in network.named_parameters() if one.requires_grad}
        frozen: NamedTensors = {name: one for name, one in network.named_parameters() if not one.requires_grad}
        known = {id(one) for one in network.parameters()}  # a buffer may be one of them under another name
        buffers = {name: one for name, one in network.named_buffers() if id(one) not in known}
        return cls(trained, {**frozen, **buffers})

    def state_dict(self) -> NamedTensors:
        return {**self.parameters, **self.buffers}

    def like(self, state: NamedTensors) -> "Weights":
        """`state` split as these weights are, in the dtypes they have here (Flower averages counters to float64)."""
        return Weights(
            {name: state[name].to(value.dtype) for name, value in self.parameters.items()},
            {name: state[name].to(value.dtype) for name, value in self.buffers.items()},
        )

    def updated(self, other: "Weights") -> "Weights":
        """These weights, with what others have under the same names in the same shapes."""
        mine, theirs = self.state_dict(), other.state_dict()
        shared = {name: theirs[name] for name in mine.keys() & theirs if theirs[name].shape == mine[name].shape}
        return self.like({**mine, **shared})

    def clone(self) -> "Weights":
        return Weights(
            {name: value.detach().clone() for name, value in self.parameters.items()},
            {name: value.detach().clone() for name, value in self.buffers.items()},
        )

    def to(self, device: str) -> "Weights":
        """The same on a device; on the one where they are, the same tensors."""
        return Weights(
            {name: value.to(device) for name, value in self.parameters.items()},
            {name: value.to(device) for name, value in self.buffers.items()},
        )

    def floats_in(self, dtype: torch.dtype) -> "Weights":
        """The same numbers in another precision; counters stay whole."""

        def cast(state: NamedTensors) -> NamedTensors:
            return {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}

        return Weights(cast(self.parameters), cast(self.buffers))

    def require_finite(self, where: str, remedy: str) -> None:
        """Raises `NonFiniteError` naming the first tensor that has a NaN or an infinity, and what to do about it."""
        for name, value in self.state_dict().items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise NonFiniteError(f"{where}: the model's '{name}' is not finite; {remedy}")


def widened(value: Tensor) -> Tensor:
    """The same numbers in float32 where they are floats of fewer bits: 1 / 3 of them would be another number there."""
    return value.float() if value.is_floating_point() and value.itemsize < torch.float32.itemsize else value


def frozen_in(network: nn.Module) -> frozenset[str]:
    """The parameters that are not trained: everybody has them already, so that clients do not send them."""
    return frozenset(name for name, one in network.named_parameters() if not one.requires_grad)


def names_of(network: nn.Module) -> dict[str, str]:
    """Every name of each parameter and buffer, tied ones have several, with the one that `Weights` have it under."""
    first: dict[int, str] = {}
    parameters = network.named_parameters(remove_duplicate=False)
    named = (*parameters, *network.named_buffers(remove_duplicate=False))
    return {name: first.setdefault(id(value), name) for name, value in named}
