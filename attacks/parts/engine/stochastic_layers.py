"""Dropout masks and latent noise as optimization variables, in a private copy of the network."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from math import prod

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.learning.layers import StandardNormal, copied
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import seeded

from ..applicability import mode_of
from .objective import Variables
from .public_model import PublicModel

_CHANNELWISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
PREFIX = "draws of "
"""The draws of a layer are the variable of this name and the layer's."""


class GivenDraws(nn.Module, ABC):
    """A layer whose random draws are given, in a buffer; while there are none it notes what shape they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        """Of one example's draws, by pass."""
        self.register_buffer("draws", torch.ones(()))

    def given(self, shape: tuple[int, ...]) -> Tensor:
        """The draws, or 1 where there are none yet."""
        draws = self.get_buffer("draws")
        if draws.ndim == 0:
            self.shapes.append(shape)
        return draws

    @abstractmethod
    def draw(self, examples: int, shape: tuple[int, ...], rng: Generator) -> Tensor:
        """As a client draws."""

    @abstractmethod
    def penalty(self, draws: Tensor) -> Float[Tensor, ""]:
        """How implausible the draws are, all in all."""

    def project(self, draws: Tensor) -> None:
        """Puts the draws back where they can be, in place."""


class DropoutMask(GivenDraws):
    """Dropout: 1 keeps a feature, 0 drops it, what is kept grows by 1 / (1 - rate); relaxed to [0, 1]."""

    def __init__(self, rate: float, channelwise: bool) -> None:
        super().__init__()
        self.rate, self.channelwise = rate, channelwise

    def forward(self, features: Float[Tensor, "batch *features"]) -> Float[Tensor, "batch *features"]:
        shape = tuple(features.shape[1:])
        return (
            features * self.given((shape[0], *(1 for _ in shape[1:])) if self.channelwise else shape) / (1 - self.rate)
        )

    def draw(self, examples: int, shape: tuple[int, ...], rng: Generator) -> Tensor:
        return (torch.rand(examples, *shape, generator=rng) >= self.rate).float()

    def penalty(self, draws: Tensor) -> Float[Tensor, ""]:
        """`| mean of the masks - (1 - rate) |`. Source: https://arxiv.org/abs/2208.06163"""
        return (draws.mean() - (1 - self.rate)).abs()

    def project(self, draws: Tensor) -> None:
        draws.clamp_(0.0, 1.0)


class LatentNoise(GivenDraws):
    """Latent noise: numbers that are N(0, 1) a priori."""

    def forward(self, like: Float[Tensor, "batch *features"]) -> Float[Tensor, "batch *features"]:
        return self.given(tuple(like.shape[1:])) * torch.ones_like(like)

    def draw(self, examples: int, shape: tuple[int, ...], rng: Generator) -> Tensor:
        return torch.randn(examples, *shape, generator=rng)

    def penalty(self, draws: Tensor) -> Float[Tensor, ""]:
        """Half the mean square: the negative log-density of each number."""
        return 0.5 * draws.square().mean()


@dataclass(frozen=True, eq=False)
class StochasticLayers:
    """The layers of a network that draw at random, in a private copy, with the shape of one example's draws."""

    task: Task
    layers: dict[str, GivenDraws]
    shapes: dict[str, tuple[int, ...]]

    def draw(self, examples: int, rng: Generator) -> Variables:
        """As a client draws, by name of the variable."""
        return {PREFIX + name: layer.draw(examples, self.shapes[name], rng) for name, layer in self.layers.items()}

    def under(self, model: PublicModel, variables: Variables) -> PublicModel:
        """The model under the draws among some variables."""
        draws = {f"{name}.draws": variables[PREFIX + name] for name in self.layers if PREFIX + name in variables}
        weights = Weights(model.weights.parameters, {**model.weights.buffers, **draws})
        return replace(model, task=self.task, weights=weights)

    def penalty(self, variables: Variables) -> Float[Tensor, ""]:
        """How implausible the draws are, the sum over layers."""
        return torch.stack([layer.penalty(variables[PREFIX + name]) for name, layer in self.layers.items()]).sum()

    def project(self, variables: Variables) -> None:
        """Puts the draws back where they can be, in place."""
        for name, layer in self.layers.items():
            layer.project(variables[PREFIX + name])


def secret_draws(observation: Observation) -> StochasticLayers | None:
    """What an attacker who knows the chain takes for unknown besides the data: what a defense made clients draw.

    None where no defense of the chain does, where draws cannot become variables, and of several local steps: each has
    its own, and a network that draws afresh in each iteration is then matched on average.
    """
    rolling = any(defense.stochastic for defense in observation.defense)
    if not rolling or observation.masked or observation.training.passes != 1:
        return None
    try:
        return stochastic_layers(observation)
    except NotApplicable:
        return None


def stochastic_layers(observation: Observation) -> StochasticLayers:
    """The layers of the network that was sent which draw at random, with their draws given."""
    task = replace(observation.task, network=copied(observation.task.network))
    layers = {name: given for name, layer in task.network.named_modules() if (given := _given(layer))}
    if mode_of(observation) == "eval" or not layers:
        why = "the clients train in eval mode" if layers else f"'{task.name}' has no dropout layer"
        raise NotApplicable(f"no dropout mask to find, because {why}; try inverting-gradients")
    for name, layer in layers.items():
        parent, _, attribute = name.rpartition(".")
        setattr(task.network.get_submodule(parent), attribute, layer)
    with torch.no_grad():
        outputs = [_outputs(task, observation.before, dice) for dice in (seeded("one"), seeded("other"))]
    if not torch.equal(*outputs):
        raise NotApplicable(
            f"'{task.name}' rolls dice elsewhere than in nn.Dropout layers, and those masks cannot be variables"
        )
    reused = [name for name, layer in layers.items() if len(layer.shapes) > 2]  # there were two passes
    if reused:
        raise NotApplicable(
            f"the dropout layer '{reused[0]}' is used more than once in a forward pass, under one mask each time"
        )
    used = {name: layer for name, layer in layers.items() if layer.shapes}
    return StochasticLayers(task, used, {name: layer.shapes[0] for name, layer in used.items()})


def _given(layer: nn.Module) -> GivenDraws | None:
    if isinstance(layer, StandardNormal):
        return LatentNoise()
    if isinstance(layer, (nn.Dropout, *_CHANNELWISE)) and 0 < layer.p < 1:
        return DropoutMask(layer.p, isinstance(layer, _CHANNELWISE))
    return None


def _outputs(task: Task, weights: Weights, dice: AbstractContextManager[None]) -> Tensor:
    inputs = task.space.at(torch.linspace(0, 1, 2 * prod(task.shape))).reshape(2, *task.shape)
    with dice:
        return task.logits(weights.clone(), inputs, mode="train")
