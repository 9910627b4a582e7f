"""Activations: what every neuron of a released model does when it is shown an input."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from fedleak.learning.task import Task
from fedleak.learning.weights import Weights

CHUNK = 256


def activations(
    task: Task, weights: Weights, inputs: Float[Tensor, "shown *shape"]
) -> Float64[Tensor, "shown neurons"]:
    """What enters each layer that has parameters, but the first, and the scores: nothing that is the input itself.

    A layer that is passed several times counts by its first; one that takes no tensor with a row for each input, not.
    """
    layers = [module for module in task.network.modules() if any(True for _ in module.parameters(recurse=False))]
    return torch.cat([_of(task, weights, layers[1:], shown) for shown in torch.split(inputs, CHUNK)])


def _of(
    task: Task, weights: Weights, layers: list[nn.Module], inputs: Float[Tensor, "shown *shape"]
) -> Float64[Tensor, "shown neurons"]:
    entered: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, arguments: tuple[object, ...]) -> None:
        if arguments and isinstance(arguments[0], Tensor) and len(arguments[0]) == len(inputs):
            entered.setdefault(module, arguments[0].detach())

    handles = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            scores = task.logits(weights, inputs, mode="eval")
    finally:
        for handle in handles:
            handle.remove()
    seen = [entered[layer] for layer in layers if layer in entered]
    return torch.cat([one.flatten(1).double() for one in (*seen, scores)], dim=1)
