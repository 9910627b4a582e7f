"""Objectives: the contract of what a matching attack minimizes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.learning.weights import NamedTensors

from .variables import Variables

Loss = Callable[[NamedTensors], Tensor]


Gradient = Callable[[Loss, NamedTensors], NamedTensors]
"""From a loss of the parameters, and parameters, to its gradient there: one that can be differentiated again."""


@dataclass(frozen=True)
class Guess:
    """What variables stand for: images, in any order, and their labels where the attack has a say in them."""

    inputs: Float[Tensor, "batch channels height width"]
    labels: Int[Tensor, " batch"] | None = None


class Objective(ABC):
    """A loss over named variables, zero (but for priors) at the truth; the engine moves the variables.

    Pure: the same variables give the same loss (but for dropout), so that many starts can be evaluated in one call.
    """

    units: Mapping[str, float] = {}
    """The unit of a variable in which the optimizer's rate counts, where that is not 1; see `Layout`."""

    @property
    @abstractmethod
    def vectorizes(self) -> bool:
        """Whether the loss can be computed for many starts at once (`torch.func.vmap`) and be compiled."""

    @abstractmethod
    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        """The loss; inner gradients are taken with `gradient`, so that it can be differentiated in either way."""

    @abstractmethod
    def guess(self, variables: Variables) -> Guess:
        """What the variables stand for."""

    def completed(self, start: Variables, rng: Generator) -> Variables:  # noqa: ARG002
        """A start with what else the objective has for variables: the dropout masks and noise that clients drew."""
        return start

    @abstractmethod
    def project(self, variables: Variables) -> None:
        """Puts variables back where they may be, in place: they are views of the optimizer's point."""


def by_autograd(loss: Loss, at: NamedTensors) -> NamedTensors:
    """The gradient on torch's tape: the fastest for one start. `at` must require gradients."""
    values = torch.autograd.grad(loss(at), list(at.values()), create_graph=True, materialize_grads=True)
    return dict(zip(at, values, strict=True))


def by_function(loss: Loss, at: NamedTensors) -> NamedTensors:
    """The gradient by a function transform: what `torch.func.vmap` and `torch.compile` can see through."""
    gradient: NamedTensors = torch.func.grad(loss)(at)
    return gradient


@dataclass(kw_only=True, eq=False)
class RecordingObjective(Objective):
    """The same objective; keeps the variables it was last asked a guess for, which is the best that was found."""

    objective: Objective
    units: Mapping[str, float] = field(default_factory=dict)
    last: Variables = field(default_factory=dict)

    @classmethod
    def of(cls, objective: Objective) -> "RecordingObjective":
        """An objective that was not asked yet."""
        return cls(objective=objective, units=objective.units)

    @property
    def vectorizes(self) -> bool:
        return self.objective.vectorizes

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        return self.objective.loss(variables, gradient)

    def guess(self, variables: Variables) -> Guess:
        self.last = {name: value.detach().clone() for name, value in variables.items()}
        return self.objective.guess(variables)

    def completed(self, start: Variables, rng: Generator) -> Variables:
        return self.objective.completed(start, rng)

    def project(self, variables: Variables) -> None:
        self.objective.project(variables)
