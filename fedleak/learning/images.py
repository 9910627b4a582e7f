"""Images as an input space: what examples are of which a shape alone is known."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.errors import ConfigError
from fedleak.learning.input_space import InputSpace


@dataclass(frozen=True)
class Images(InputSpace):
    """Images with intensities in [0, 1]."""

    channels: int
    height: int
    width: int
    kind: ClassVar = "images"
    noun: ClassVar = "image"
    neighbors: ClassVar = (-2, -1)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, 1.0

    @property
    def words(self) -> str:
        return f"{self.channels}x{self.height}x{self.width} images"

    def picture(self, example: Float[Tensor, "channels height width"]) -> Float[Tensor, "colors height_ width_"]:
        """Gray or color as it is, of any other number of channels each in gray, side by side."""
        image = self.clamped(example.detach().float().nan_to_num(self.middle))
        return image if len(image) in (1, 3) else torch.cat(list(image[:, None]), dim=2)


def space_of(shape: tuple[int, ...]) -> Images:
    """What examples of a shape are of which nothing else is said: images."""
    if len(shape) != 3:
        raise ConfigError(
            f"expected images of shape (channels, height, width), got {tuple(shape)}; of other examples say the space"
        )
    return Images(*shape)
