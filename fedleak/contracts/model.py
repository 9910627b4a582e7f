"""The contract of a network architecture, and the registry that finds architectures by name."""

from abc import ABC, abstractmethod

from torch import nn

from fedleak.contracts.plugin import Plugin, Registry


class Model(Plugin, ABC):
    """A recipe for an untrained network on images of some shape."""

    @abstractmethod
    def network(self, shape: tuple[int, int, int], classes: int) -> nn.Module:
        """A network from images (batch, *shape) in [0, 1] to logits (batch, classes); torch initializes it."""


models: Registry[Model] = Registry("model", "fedleak.models")
