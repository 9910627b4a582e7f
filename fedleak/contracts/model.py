"""The contract of a network architecture, and the registry that finds architectures by name."""

from abc import ABC, abstractmethod

from torch import nn

from fedleak.contracts.plugin import Plugin, Registry
from fedleak.learning.source import Shape


class Model(Plugin, ABC):
    """A recipe for an untrained network on examples of some shape."""

    @abstractmethod
    def network(self, shape: Shape, classes: int) -> nn.Module:
        """A network from examples (batch, *shape) to logits (batch, classes); torch initializes it."""


models: Registry[Model] = Registry("model", "fedleak.models")
