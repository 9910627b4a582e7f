"""Perceptron with dropout."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape
from fedleak.settings.base import Share


@models.register("dropout-mlp")
@dataclass(frozen=True, kw_only=True)
class DropoutMLP(Model):
    """Flatten, two hidden ReLU layers with dropout after each, a linear classifier."""

    paper: ClassVar = "https://arxiv.org/abs/2208.06163"
    cites: ClassVar = "scheliga2023dropout"
    hidden: int = 512
    rate: Share = 0.25
    """Share of the features that is dropped in training."""

    def network(self, shape: Shape, classes: int) -> nn.Module:
        width = self.hidden
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(prod(shape), width),
            nn.ReLU(),
            nn.Dropout(self.rate),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(self.rate),
            nn.Linear(width, classes),
        )
