"""Multilayer perceptron with one wide hidden layer, for exact attacks on whole batches."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.source import Shape
from fedleak.settings.base import Count


@models.register("wide-mlp")
@dataclass(frozen=True, kw_only=True)
class WideMLP(Model):
    """Flatten, one wide hidden ReLU layer, a linear classifier: many more neurons than a batch has examples."""

    paper: ClassVar = "https://arxiv.org/abs/2403.03945"
    cites: ClassVar = "dimitrov2024spear"
    hidden: Count = 1024

    def network(self, shape: Shape, classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Linear(prod(shape), self.hidden), nn.ReLU(), nn.Linear(self.hidden, classes)
        )
