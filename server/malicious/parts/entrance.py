"""Entrance of a network: the module that sees the image first, and what it sees of examples."""

from collections.abc import Callable
from contextlib import suppress

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import seeded

Stop = Callable[[nn.Module, tuple[Tensor, ...]], None]


class _Reached(Exception):  # noqa: N818  no error: the rest of the network has no say
    """The place was reached."""


def entrance(task: Task) -> str:
    """The name of the innermost module that runs first and sees all of the image, in whatever shape.

    Raises `ConfigError` where the module that runs first sees something else.
    """
    names = {module: name for name, module in task.network.named_modules() if not list(module.children())}
    seen: list[tuple[nn.Module, tuple[Tensor, ...]]] = []

    def stop(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append((module, arguments))
        raise _Reached

    _run(task, Weights.of(task.network), torch.zeros(2, *task.shape), [*names], stop)
    pixels = torch.zeros(task.shape).numel()
    module, arguments = seen[0] if seen else (task.network, ())
    if not arguments or not isinstance(arguments[0], Tensor) or arguments[0][0].numel() != pixels:
        raise ConfigError(
            f"the module of '{task.name}' that runs first does not see the whole image, so nothing can be put between "
            "the two; choose a network whose first layer takes the image"
        )
    place: str = names[module]
    return place


def entering(
    task: Task, weights: Weights, place: str, inputs: Float[Tensor, "batch *shape"]
) -> Float64[Tensor, "batch pixels"]:
    """What enters the module at `place` when examples enter the network, each as one vector."""
    seen: list[Tensor] = []

    def stop(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append(arguments[0].detach())
        raise _Reached

    _run(task, weights, inputs, [task.network.get_submodule(place)], stop)
    return seen[0].flatten(1).double()


def _run(task: Task, weights: Weights, inputs: Tensor, watched: list[nn.Module], stop: Stop) -> None:
    """Runs the network until one of some modules is reached, leaving the weights as they are."""
    handles = [module.register_forward_pre_hook(stop) for module in watched]
    try:
        with seeded("entrance"), torch.no_grad(), suppress(_Reached):
            task.logits(weights.clone(), inputs)
    finally:
        for handle in handles:
            handle.remove()
