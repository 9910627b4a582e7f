"""Decision tree, of parties that hold columns."""

from dataclasses import dataclass
from math import prod
from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from fedleak.contracts.model import Model, models
from fedleak.learning.decision_tree import DecisionTree
from fedleak.learning.source import Shape


@models.register("decision-tree")
@dataclass(frozen=True, kw_only=True)
class Tree(Model):
    """Flatten, and a decision tree of some levels, which answers with a class alone.

    Parties that hold columns fit it together in one step of a round, by a protocol that shows nobody anything but the
    tree; that is not run but taken for granted. By gradients, in a federation of rows, its leaves alone are trained.
    """

    paper: ClassVar = "https://doi.org/10.1201/9781315139470"
    cites: ClassVar = "breiman1984classification"
    depth: Annotated[int, Field(ge=1, le=12)] = 5
    """Levels of nodes that ask about a value."""

    def network(self, shape: Shape, classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), DecisionTree(prod(shape), classes, self.depth))
