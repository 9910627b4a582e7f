"""The first linear layer of a network, wherever it is: what goes into it, and how its derivatives are made."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from fedleak.observation import Observation
from fedleak.randomness import global_dice
from fedleak.task import Task

from .head import find_head
from .objective import in_dtype, mode_of

PROBES = 4
"""Random images that a network is tried on."""
EXACT = 1e-9
"""Relative error of double precision at most, where a formula holds."""


@dataclass(frozen=True, kw_only=True)
class InnerLayer:
    """Names of the module and its parameters."""

    name: str
    weight: str
    bias: str


def find_inner_layer(task: Task) -> InnerLayer | str:
    """The first linear layer, where it has a bias; else why not, in words."""
    layers = [(name, module) for name, module in task.network.named_modules() if isinstance(module, nn.Linear)]
    if not layers:
        return f"'{task.name}' has no linear layer, and the attack reads one: try gradient matching"
    name, layer = layers[0]
    if layer.bias is None:
        return f"the first linear layer of '{task.name}' has no bias, so its inputs are known only up to factors"
    prefix = f"{name}." if name else ""
    return InnerLayer(name=name, weight=f"{prefix}weight", bias=f"{prefix}bias")


class Front:
    """The network up to the layer's input, as a function of images; its weights are constants, in double precision."""

    def __init__(self, observation: Observation, layer: InnerLayer, dtype: torch.dtype = torch.float64) -> None:
        self.task, self.layer, self.mode = observation.task, layer, mode_of(observation)
        self.weights = in_dtype(observation.before, dtype)
        self.dtype = dtype
        self.module = self.task.network.get_submodule(layer.name)

    def __call__(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch *features"]:
        """What goes into the layer."""
        seen: list[Tensor] = []
        handle = self.module.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        try:
            with global_dice("front"):
                self.task.logits(self.weights, images.to(self.dtype), mode=self.mode)
        finally:
            handle.remove()
        return seen[0]

    def refusal(self) -> str | None:
        """Why the layer cannot be attacked, in words: it must see one vector an image."""
        try:
            with torch.no_grad():
                features = self(torch.full((2, *self.task.shape), 0.5))
        except (ValueError, RuntimeError) as error:
            return f"the network does not run in double precision: {error}"
        if features.dim() != 2:
            return (
                f"the first linear layer of '{self.task.name}' sees {features.dim() - 1}-dimensional features of each "
                "image (tokens, say), and the attack needs one vector an image"
            )
        return None


def head_behind_relu(
    observation: Observation, layer: InnerLayer, front: Front, rng: Generator
) -> Float[Tensor, "neurons classes"] | None:
    """The head's weight J, where a ReLU and the head are all that is behind the layer; None where it is otherwise.

    Then an example's derivative at a neuron is `J e` where it wakes it and zero where not, for e = (p - y) / K. Told by
    trying it on random images, not by the modules' names.
    """
    task, head = observation.task, find_head(observation.task)
    weight = front.weights.parameters[layer.weight]
    if head is None or head.weight == layer.weight or front.weights.parameters[head.weight].shape[1] != len(weight):
        return None
    jacobian: Tensor = front.weights.parameters[head.weight].T
    for image in torch.rand(PROBES, 1, *task.shape, generator=rng, dtype=front.dtype):
        label = torch.zeros(1, dtype=torch.long)
        with global_dice("front"), torch.no_grad():
            awake = front(image)[0] @ weight.T + front.weights.parameters[layer.bias] > 0
            error = task.logits(front.weights, image, mode=front.mode)[0].softmax(0)
        error[0] -= 1
        with global_dice("front"):
            derivative = task.gradients(front.weights, image, label, mode=front.mode)[layer.bias]
        if float((derivative - awake * (jacobian @ error)).norm()) > EXACT * float(derivative.norm()):
            return None
    return jacobian
