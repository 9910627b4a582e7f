"""Dropout masks as variables: a private copy of a network whose dropout layers multiply by masks that are given."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from fedleak.observation import Observation
from fedleak.randomness import global_dice
from fedleak.task import Task
from fedleak.weights import Weights

from .gradient_match import Dummy, one_step
from .objective import Gradient, Guess, Objective, mode_of
from .public_model import PublicModel
from .variables import Variables

_CHANNELWISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
PREFIX = "mask of "
"""Masks are the variables of this name and that of their layer."""


class Masked(nn.Module):
    """Dropout with a mask that is given: 1 keeps a feature, 0 drops it, what is kept grows by 1 / (1 - rate)."""

    def __init__(self, rate: float, channelwise: bool) -> None:
        super().__init__()
        self.rate, self.channelwise = rate, channelwise
        self.shapes: list[tuple[int, ...]] = []
        self.register_buffer("mask", torch.ones(()))

    def forward(self, features: Float[Tensor, "batch *features"]) -> Float[Tensor, "batch *features"]:
        mask, shape = self.get_buffer("mask"), features.shape[1:]
        if mask.ndim == 0:  # nobody gave one yet: remember how large one is
            self.shapes.append((shape[0], *(1 for _ in shape[1:])) if self.channelwise else tuple(shape))
        return features * mask / (1 - self.rate)


@dataclass(frozen=True, eq=False)
class MaskedNetwork:
    """A private copy of a task's network, with the rate and the mask's shape (of one example) of each dropout layer."""

    task: Task
    rates: dict[str, float]
    shapes: dict[str, tuple[int, ...]]

    def masks(self, examples: int, rng: Generator) -> Variables:
        """Masks drawn as a client draws them."""
        return {
            PREFIX + name: (torch.rand(examples, *shape, generator=rng) >= self.rates[name]).float()
            for name, shape in self.shapes.items()
        }

    def simulate(self, model: PublicModel, dummy: Dummy, gradient: Gradient) -> Sequence[Tensor]:
        """The gradient of the whole batch under the masks among the dummy's variables."""
        masks = {f"{name}.mask": dummy.variables[PREFIX + name] for name in self.shapes}
        buffers = {**model.weights.buffers, **masks}
        return one_step(replace(model, weights=Weights(model.weights.parameters, buffers)), dummy, gradient)

    def unlikely(self, dummy: Dummy) -> Float[Tensor, ""]:
        """`Σ over layers | mean of the masks - (1 - rate) |`. Source: https://arxiv.org/abs/2208.06163"""
        off = [(dummy.variables[PREFIX + name].mean() - (1 - rate)).abs() for name, rate in self.rates.items()]
        return torch.stack(off).sum()


def masked_network(observation: Observation, rng: Generator) -> MaskedNetwork | str:
    """The network that was sent, with masks in place of dice; or why there is none."""
    task = replace(observation.task, network=copy.deepcopy(observation.task.network))
    rates = {name: layer.p for name, layer in task.network.named_modules() if _drops(layer)}
    if mode_of(observation) == "eval" or not rates:
        why = "the clients train in eval mode" if rates else f"'{task.name}' has no dropout layer"
        return f"no dropout mask to find, because {why}; try inverting-gradients"
    for name, rate in rates.items():
        above, _, own = name.rpartition(".")
        channelwise = isinstance(task.network.get_submodule(name), _CHANNELWISE)
        setattr(task.network.get_submodule(above), own, Masked(rate, channelwise))
    inputs = torch.rand(2, *task.shape, generator=rng)
    with torch.no_grad():
        one, other = (_outputs(task, observation.before, inputs, dice) for dice in ("one", "other"))
    if not torch.equal(one, other):
        return f"'{task.name}' rolls dice elsewhere than in nn.Dropout layers, and those masks cannot be variables"
    layers = {name: layer for name, layer in task.network.named_modules() if isinstance(layer, Masked)}
    reused = [name for name, layer in layers.items() if len(layer.shapes) > 2]  # there were two passes
    if reused:
        return f"the dropout layer '{reused[0]}' is used more than once in a forward pass, under one mask each time"
    shapes = {name: layer.shapes[0] for name, layer in layers.items() if layer.shapes}
    return MaskedNetwork(task, {name: rates[name] for name in shapes}, shapes)


def _drops(layer: nn.Module) -> TypeGuard[nn.Dropout]:
    return isinstance(layer, (nn.Dropout, *_CHANNELWISE)) and 0 < layer.p < 1


def _outputs(task: Task, weights: Weights, inputs: Tensor, dice: str) -> Tensor:
    with global_dice(dice):
        return task.logits(weights.clone(), inputs, mode="train")


@dataclass(frozen=True, eq=False)
class InBox(Objective):
    """An objective some of whose variables are put back into [0, 1] after every step."""

    inner: Objective
    names: tuple[str, ...]

    @property
    def vectorises(self) -> bool:
        return self.inner.vectorises

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        return self.inner.loss(variables, gradient)

    def guess(self, variables: Variables) -> Guess:
        return self.inner.guess(variables)

    def project(self, variables: Variables) -> None:
        self.inner.project(variables)
        for name in self.names:
            variables[name].clamp_(0.0, 1.0)
