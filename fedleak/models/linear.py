"""Linear: logistic regression, and for parties that hold columns one of which each sends a few numbers."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.errors import ConfigError
from fedleak.learning.source import Shape


@models.register("linear")
@dataclass(frozen=True, kw_only=True)
class Linear(Model):
    """Flatten and a linear classifier: multinomial logistic regression.

    With `embedding` a linear layer of so many numbers stands before the classifier. It is a logistic regression still,
    and has a place to be cut: each party of split training sends so many numbers of its columns.
    """

    paper: ClassVar = "https://doi.org/10.1111/j.2517-6161.1958.tb00292.x"
    cites: ClassVar = "cox1958regression"
    embedding: int = 0

    def __post_init__(self) -> None:
        if self.embedding < 0:
            raise ConfigError(f"expected an embedding of 1 number or more, or of 0 for none, got {self.embedding}")

    def network(self, shape: Shape, classes: int) -> nn.Module:
        if not self.embedding:
            return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), classes))
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), self.embedding), nn.Linear(self.embedding, classes))
