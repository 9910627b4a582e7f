"""Private inference: what defenses have in common whose operator evaluates a network and sees neither inputs nor
scores."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import nn

from fedleak.contracts.defense import Defense
from fedleak.contracts.private_inference import PrivateEvaluation
from fedleak.defenses.parts.dense import ACTIVATIONS
from fedleak.defenses.parts.network_steps import Affine, Polynomial, affine_maps, segments, with_activations
from fedleak.errors import ConfigError
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.settings.base import Amount, Rate

SQUARES: tuple[type[nn.Module], ...] = (Polynomial,)


@dataclass(frozen=True, kw_only=True)
class PrivateInference(Defense):
    """Trains with polynomials in the place of activations, and answers what operators compute who do not see it."""

    sees_requests: ClassVar[bool] = False
    computed: Annotated[int, Field(ge=0)] | Literal["all"] = 10
    """How many answers of a service are really computed so, the first ones; those behind them are of the same network
    in plain, and differ from these by no more than `Cost.difference` says of the first."""
    linear: Amount = 0.5
    """What an activation has of its input; 0 are squares alone."""
    curvature: Rate = 0.1
    """And of its square."""

    @property
    def really(self) -> str:
        """How much of it is really done here, as a clause."""
        if self.computed == "all":
            return "each answer here is really computed so"
        if not self.computed:
            return "nothing is really computed so here, but by the same network in plain (computed = 0)"
        return f"of a service's answers the first {self.computed} are really computed so here, others in plain"

    def require(self, task: Task) -> None:
        """Raises `ConfigError` for a network that it has no evaluation of."""
        if task.criterion.several_labels:
            raise ConfigError(
                f"'{self.name}' answers with probabilities of one label, and examples of '{task.name}' have several; "
                "take a task with one label each"
            )
        self.steps(self.transform_task(task))

    def transform_task(self, task: Task) -> Task:
        square = Polynomial(self.linear, self.curvature)
        return replace(task, network=with_activations(task.network, ACTIVATIONS, square))

    def evaluation(self, task: Task, weights: Weights) -> PrivateEvaluation | None:
        if not self.computed:
            return None
        made = self.evaluated(task, weights)
        made.most = math.inf if isinstance(self.computed, str) else self.computed
        return made

    @abstractmethod
    def evaluated(self, task: Task, weights: Weights) -> PrivateEvaluation:
        """The model of the transformed task as operators compute it."""

    def steps(self, task: Task) -> list[list[nn.Module]]:
        """The linear layers between the activations of the transformed task; raises `ConfigError` for others."""
        return segments(task, SQUARES, self.name)

    def maps(self, task: Task, weights: Weights) -> list[Affine]:
        """The network as affine maps with a plain square between each two."""
        return completed(affine_maps(task, weights, self.steps(task)), self.linear, self.curvature)


def completed(maps: Sequence[Affine], linear: float, curvature: float) -> list[Affine]:
    """The same network with a plain square between each two maps: `a x^2 + b x` is `a (x + b / 2a)^2 - b^2 / 4a`."""
    apart = linear / (2 * curvature)
    found = []
    for place, one in enumerate(maps):
        behind = one.after(curvature, -curvature * apart**2) if place else one
        last = place == len(maps) - 1
        found.append(behind if last else Affine(behind.weight, behind.bias + apart))
    return found
