"""Objectives: the contract of what a matching attack minimizes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.learning.space import InputSpace
from fedleak.learning.weights import NamedTensors

# Optimization variables: tensors by name, seen by optimizers as one vector.

Variables = dict[str, Tensor]
"""Floating-point tensors by name, such as "inputs" and "labels"."""


@dataclass(frozen=True)
class Layout:
    """How variables lie in a vector. A coordinate counts in its variable's unit: `value = unit * coordinate`."""

    shapes: Mapping[str, tuple[int, ...]]
    units: Mapping[str, float] = field(default_factory=dict)
    """1 where a variable has none. One rate then suits pixels and, say, an interpolation weight."""

    @classmethod
    def of(cls, variables: Variables, units: Mapping[str, float]) -> "Layout":
        """The layout of such variables."""
        return cls({name: tuple(value.shape) for name, value in variables.items()}, units)

    def vector(self, variables: Variables) -> Float[Tensor, " entries"]:
        """The variables' coordinates as a vector of its own."""
        pieces = [variables[name].detach().reshape(-1) / self.units.get(name, 1.0) for name in self.shapes]
        return torch.cat(pieces)

    def variables(self, vector: Float[Tensor, " entries"]) -> Variables:
        """The variables at a vector: views of it where their unit is 1."""
        pieces = torch.split(vector, [prod(shape) for shape in self.shapes.values()])
        return {
            name: self._value(name, piece).view(shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def put_(self, vector: Float[Tensor, " entries"], name: str, value: Tensor) -> None:
        """Writes a variable into a vector in place, where it is no view of it."""
        if self.units.get(name, 1.0) != 1.0 and name in self.shapes:
            pieces = torch.split(vector, [prod(shape) for shape in self.shapes.values()])
            pieces[list(self.shapes).index(name)].copy_(value.reshape(-1) / self.units[name])

    def _value(self, name: str, piece: Tensor) -> Tensor:
        unit = self.units.get(name, 1.0)
        return piece if unit == 1.0 else unit * piece


Loss = Callable[[NamedTensors], Tensor]


Gradient = Callable[[Loss, NamedTensors], NamedTensors]
"""From a loss of the parameters, and parameters, to its gradient there: one that can be differentiated again."""


@dataclass(frozen=True)
class Guess:
    """What variables stand for: examples, in any order, and their labels where the attack has a say in them."""

    inputs: Float[Tensor, "batch *shape"]
    labels: Int[Tensor, "batch *classes"] | None = None


class Objective(ABC):
    """A loss over named variables, zero (but for priors) at the truth; the engine moves the variables.

    Pure: the same variables give the same loss (but for dropout), so that many starts can be evaluated in one call.
    """

    units: Mapping[str, float] = {}
    """The unit of a variable in which the optimizer's rate counts, where that is not 1; see `Layout`."""

    @property
    @abstractmethod
    def space(self) -> InputSpace:
        """What the guessed examples are."""

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
    def space(self) -> InputSpace:
        return self.objective.space

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
