"""Public model: the weights that were sent, in the attack's precision and on its device."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.gradients.precision import in_dtype
from fedleak.learning.facts import LocalTraining
from fedleak.learning.layers import StandardNormal
from fedleak.learning.optimizer import as_sent
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights

from ..applicability import mode_of
from .objective import Gradient

_STATEFUL = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd, StandardNormal)
"""Layers that write to their buffers or draw at random: many starts cannot share them."""


@dataclass(frozen=True)
class PublicModel:
    """Weights, architecture and mode; BatchNorm may write to these buffers, never to the observation's."""

    task: Task
    weights: Weights
    mode: Literal["train", "eval"]
    training: LocalTraining = field(default_factory=LocalTraining)

    @classmethod
    def of(cls, observation: Observation, dtype: torch.dtype, device: str = "cpu") -> "PublicModel":
        """The model that the clients of an observation were sent."""
        weights = in_dtype(observation.before, dtype)
        parameters = {name: value.to(device).requires_grad_() for name, value in weights.parameters.items()}
        buffers = {name: value.to(device) for name, value in weights.buffers.items()}
        return cls(observation.task, Weights(parameters, buffers), mode_of(observation), observation.training)

    @property
    def stateless(self) -> bool:
        """Whether no layer writes to its buffers or draws at random in this mode."""
        return self.mode == "eval" or not any(isinstance(layer, _STATEFUL) for layer in self.task.network.modules())

    def loss(
        self,
        parameters: NamedTensors,
        inputs: Float[Tensor, "batch *shape"],
        labels: Num[Tensor, "batch *classes"],
        shares: Float[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, ""]:
        """The clients' loss at any parameters; labels are class indices or probabilities."""
        at = Weights(parameters, self.weights.buffers)
        return self.task.loss(at, inputs, labels, mode=self.mode, shares=shares)

    def gradients(
        self,
        inputs: Float[Tensor, "batch *shape"],
        labels: Num[Tensor, "batch *classes"],
        gradient: Gradient,
        parameters: NamedTensors | None = None,
        shares: Float[Tensor, " batch"] | None = None,
    ) -> NamedTensors:
        """The gradient of one step, at the weights that were sent or at others; examples may count by `shares`."""
        at = self.weights.parameters if parameters is None else parameters
        return gradient(lambda values: self.loss(values, inputs, labels, shares), at)

    def sent(self, gradients: NamedTensors, at: NamedTensors | None = None) -> NamedTensors:
        """What the clients' optimizer makes of the gradient of one step, as `Observation.gradient` reads updates."""
        return as_sent(gradients, self.weights.parameters if at is None else at, self.training)


# Smoothness of a network, which second-order methods rely on.

_KINKED = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardshrink,
    nn.Softshrink,
    nn.Threshold,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AdaptiveMaxPool2d,
)


_SMOOTH = (nn.Sigmoid, nn.Tanh, nn.Softplus, nn.GELU, nn.SiLU, nn.Mish, nn.LogSigmoid, nn.Softsign)


def is_smooth(network: nn.Module) -> bool:
    """True where every activation is smooth; those that are not modules cannot be seen, so none seen is False."""
    modules = list(network.modules())
    return any(isinstance(module, _SMOOTH) for module in modules) and not any(
        isinstance(module, _KINKED) for module in modules
    )
