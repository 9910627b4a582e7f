"""The contract of a network architecture, and the registry that finds architectures by name."""

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol, runtime_checkable

from torch import nn

from fedleak.contracts.plugin import Plugin, Registry
from fedleak.errors import ConfigError
from fedleak.learning.source import Shape, Source
from fedleak.learning.space import require_images, space_of_source

LIKELIHOOD = "likelihood"
"""The loss of networks whose scores are log-likelihoods of example and class together, as generators have."""


@runtime_checkable
class Generates(Protocol):
    """A network with a part that makes examples of latent vectors, which are N(0, 1) a priori."""

    latent: int
    decoder: nn.Module
    """From latent vectors to examples as rows."""


class Model(Plugin, ABC):
    """A recipe for an untrained network on examples of some shape."""

    loss: ClassVar[str] = ""
    """The one loss that trains it, as a task's table names it; empty: any that is of scores."""
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


def require_loss(model: Model, source: Source, loss: str) -> None:
    """Raises `ConfigError` where a network of ours is to be trained by a loss that leaves parts of it untrained."""
    if model.loss and loss != model.loss:
        raise ConfigError(
            f"task: network '{model.name}' is trained by its {model.loss}, got {loss}; write task = {{ data = "
            f'"{source.name}", network = "{model.name}", loss = "{model.loss}" }}'
        )


models: Registry[Model] = Registry("model", "fedleak.models")
