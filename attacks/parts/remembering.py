"""What an objective's last guess was made of: what the engine found besides images and labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Generator, Tensor

from .objective import Gradient, Guess, Objective
from .variables import Variables


@dataclass(kw_only=True, eq=False)
class Remembering(Objective):
    """The same objective; keeps the variables it was last asked a guess for, which is the best that was found."""

    objective: Objective
    units: Mapping[str, float] = field(default_factory=dict)
    found: Variables = field(default_factory=dict)

    @classmethod
    def of(cls, objective: Objective) -> "Remembering":
        """An objective that was not asked yet."""
        return cls(objective=objective, units=objective.units)

    @property
    def vectorises(self) -> bool:
        return self.objective.vectorises

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        return self.objective.loss(variables, gradient)

    def guess(self, variables: Variables) -> Guess:
        self.found = {name: value.detach().clone() for name, value in variables.items()}
        return self.objective.guess(variables)

    def completed(self, start: Variables, rng: Generator) -> Variables:
        return self.objective.completed(start, rng)

    def project(self, variables: Variables) -> None:
        self.objective.project(variables)
