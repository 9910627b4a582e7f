"""The dice of a network as variables: a private copy of it whose layers are given what they would have drawn."""

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.learning.layers import StandardNormal
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import global_dice

from ..applicability import mode_of
from .public_model import PublicModel
from .variables import Variables

_CHANNELWISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
PREFIX = "dice of "
"""The dice of a layer are the variable of this name and the layer's."""


class Given(nn.Module, ABC):
    """A layer whose dice are given, in a buffer; as long as there are none it notes what shape they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        """Of one example's dice, by pass."""
        self.register_buffer("dice", torch.ones(()))

    def given(self, shape: tuple[int, ...]) -> Tensor:
        """The dice, or 1 where nobody gave any."""
        dice = self.get_buffer("dice")
        if dice.ndim == 0:
            self.shapes.append(shape)
        return dice

    @abstractmethod
    def draw(self, examples: int, shape: tuple[int, ...], rng: Generator) -> Tensor:
        """Dice as a client rolls them."""

    @abstractmethod
    def unlikely(self, dice: Tensor) -> Float[Tensor, ""]:
        """How far from likely the dice are, all in all."""

    def project(self, dice: Tensor) -> None:
        """Puts dice back where they can be, in place."""


class Mask(Given):
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

    def unlikely(self, dice: Tensor) -> Float[Tensor, ""]:
        """`| mean of the masks - (1 - rate) |`. Source: https://arxiv.org/abs/2208.06163"""
        return (dice.mean() - (1 - self.rate)).abs()

    def project(self, dice: Tensor) -> None:
        dice.clamp_(0.0, 1.0)


class Noise(Given):
    """Numbers that are N(0, 1) a priori."""

    def forward(self, like: Float[Tensor, "batch *features"]) -> Float[Tensor, "batch *features"]:
        return self.given(tuple(like.shape[1:])) * torch.ones_like(like)

    def draw(self, examples: int, shape: tuple[int, ...], rng: Generator) -> Tensor:
        return torch.randn(examples, *shape, generator=rng)

    def unlikely(self, dice: Tensor) -> Float[Tensor, ""]:
        """Half the mean square: the negative log-density of each number."""
        return 0.5 * dice.square().mean()


@dataclass(frozen=True, eq=False)
class GivenDice:
    """A private copy of a task's network, and its layers that rolled dice, with the shape of one example's."""

    task: Task
    layers: dict[str, Given]
    shapes: dict[str, tuple[int, ...]]

    def draw(self, examples: int, rng: Generator) -> Variables:
        """Dice as a client rolls them, by name of the variable."""
        return {PREFIX + name: layer.draw(examples, self.shapes[name], rng) for name, layer in self.layers.items()}

    def under(self, model: PublicModel, variables: Variables) -> PublicModel:
        """The model under the dice among some variables."""
        dice = {f"{name}.dice": variables[PREFIX + name] for name in self.layers if PREFIX + name in variables}
        weights = Weights(model.weights.parameters, {**model.weights.buffers, **dice})
        return replace(model, task=self.task, weights=weights)

    def unlikely(self, variables: Variables) -> Float[Tensor, ""]:
        """How far from likely the dice are, the sum over layers."""
        return torch.stack([layer.unlikely(variables[PREFIX + name]) for name, layer in self.layers.items()]).sum()

    def project(self, variables: Variables) -> None:
        """Puts the dice back where they can be, in place."""
        for name, layer in self.layers.items():
            layer.project(variables[PREFIX + name])


def secret_dice(observation: Observation) -> GivenDice | None:
    """What an attacker who knows the chain takes for unknown besides the data: dice that a defense made clients roll.

    None where no defense of the chain does, where dice cannot become variables, and of several local steps: each rolls
    its own, and a network that rolls afresh in each iteration is then matched on average.
    """
    rolling = any(defense.rolls_dice for defense in observation.defense)
    if not rolling or observation.masked or observation.training.steps != 1:
        return None
    try:
        return given_dice(observation)
    except NotApplicable:
        return None


def given_dice(observation: Observation) -> GivenDice:
    """The network that was sent with its dice given."""
    task = replace(observation.task, network=copy.deepcopy(observation.task.network))
    layers = {name: given for name, layer in task.network.named_modules() if (given := _given(layer))}
    if mode_of(observation) == "eval" or not layers:
        why = "the clients train in eval mode" if layers else f"'{task.name}' has no dropout layer"
        raise NotApplicable(f"no dropout mask to find, because {why}; try inverting-gradients")
    for name, layer in layers.items():
        above, _, own = name.rpartition(".")
        setattr(task.network.get_submodule(above), own, layer)
    with torch.no_grad():
        one, other = (_outputs(task, observation.before, dice) for dice in ("one", "other"))
    if not torch.equal(one, other):
        raise NotApplicable(
            f"'{task.name}' rolls dice elsewhere than in nn.Dropout layers, and those masks cannot be variables"
        )
    reused = [name for name, layer in layers.items() if len(layer.shapes) > 2]  # there were two passes
    if reused:
        raise NotApplicable(
            f"the dropout layer '{reused[0]}' is used more than once in a forward pass, under one mask each time"
        )
    used = {name: layer for name, layer in layers.items() if layer.shapes}
    return GivenDice(task, used, {name: layer.shapes[0] for name, layer in used.items()})


def _given(layer: nn.Module) -> Given | None:
    if isinstance(layer, StandardNormal):
        return Noise()
    if isinstance(layer, (nn.Dropout, *_CHANNELWISE)) and 0 < layer.p < 1:
        return Mask(layer.p, isinstance(layer, _CHANNELWISE))
    return None


def _outputs(task: Task, weights: Weights, dice: str) -> Tensor:
    inputs = torch.linspace(0, 1, 2 * task.shape[0] * task.shape[1] * task.shape[2]).reshape(2, *task.shape)
    with global_dice(dice):
        return task.logits(weights.clone(), inputs, mode="train")
