"""Multilayer perceptron with one hidden layer: the smallest network whose first layer gives its input away."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape


@models.register("mlp")
@dataclass(frozen=True, kw_only=True)
class MLP(Model):
    """Flatten, one hidden ReLU layer, a linear classifier."""

    paper: ClassVar = "https://doi.org/10.1038/323533a0"
    cites: ClassVar = "rumelhart1986learning"
    hidden: int = 128

    def network(self, shape: Shape, classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(prod(shape), self.hidden), nn.ReLU(), nn.Linear(self.hidden, classes)
        )
