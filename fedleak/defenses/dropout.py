"""Dropout layers put into a network."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import nn

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.dense import ACTIVATIONS, behind, dense_layers, in_front, require_dense_layer
from fedleak.learning.task import Task


@defenses.register("dropout")
@dataclass(frozen=True, kw_only=True)
class Dropout(Defense):
    """Drops each feature with probability `rate` in training, so that the update is of a network nobody else knows.

    Kept features grow by 1 / (1 - rate), which keeps their mean. Attackers who draw masks of their own match
    another network; the masks can be found together with the images. In eval mode nothing is dropped.
    """

    paper: ClassVar = "https://arxiv.org/abs/2208.06163"
    cites: ClassVar = "scheliga2023dropout"
    stochastic: ClassVar = True
    adaptive_strategy: ClassVar[str] = "finds the masks together with the images"
    rate: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Probability that a feature is dropped."""
    behind: Literal["features", "activations", "both"] = "features"
    """Where: on what enters the last dense layer, on what every activation gives, or both."""

    def require(self, task: Task) -> None:
        if self.behind != "activations":
            require_dense_layer(task, self.name)

    def transform_task(self, task: Task) -> Task:
        if self.rate == 0:
            return task
        network = task.network
        if self.behind != "activations":
            network = in_front(network, dense_layers(network)[-1], "dropout", nn.Dropout(self.rate))
        if self.behind != "features":
            for name, module in task.network.named_modules():
                if isinstance(module, ACTIVATIONS):
                    network = behind(network, name, "dropout", nn.Dropout(self.rate))
        return replace(task, network=network)
