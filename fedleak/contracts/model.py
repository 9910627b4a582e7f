"""The contract of a network architecture, and the registry that finds architectures by name."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from fedleak.contracts.plugin import Plugin, Registry
from fedleak.errors import ConfigError
from fedleak.learning.source import Shape, Source
from fedleak.learning.space import require_images, space_of_source


class Model(Plugin, ABC):
    """A recipe for an untrained network on examples of some shape."""

    images_only: ClassVar[bool] = False
    """Whether it makes sense of images alone, as whatever has convolutions or patches does."""

    @abstractmethod
    def network(self, shape: Shape, classes: int) -> nn.Module:
        """A network from examples (batch, *shape) to logits (batch, classes); torch initializes it."""

    def on(self, source: Source) -> nn.Module:
        """The network on the examples of a source; raises `ConfigError` where it is for images and they are none."""
        if self.images_only:
            require_images(space_of_source(source), f"network '{self.name}'", ConfigError)
        return self.network(source.shape, source.classes)


models: Registry[Model] = Registry("model", "fedleak.models")
