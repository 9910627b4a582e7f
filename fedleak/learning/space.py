"""Kinds of example by name: images, which a shape alone stands for, rows of tables, and those of plug-ins."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.errors import ConfigError, FedleakError, NotApplicable, did_you_mean
from fedleak.learning.input_space import NEAR, InputSpace
from fedleak.learning.source import Source
from fedleak.learning.table import Column, Table

__all__ = [
    "NEAR",
    "Column",
    "Images",
    "InputSpace",
    "Table",
    "require_images",
    "require_table",
    "space_from",
    "space_of",
    "space_of_source",
]


@dataclass(frozen=True)
class Images(InputSpace):
    """Images with intensities in [0, 1]."""

    channels: int
    height: int
    width: int
    kind: ClassVar = "images"
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


def space_from(facts: Mapping[str, Any]) -> InputSpace:
    """The space that `facts` were taken of; raises `ConfigError` where its kind is not defined here."""
    kind, values = facts.get("kind"), {name: value for name, value in facts.items() if name != "kind"}
    if kind not in InputSpace.kinds:
        raise ConfigError(
            f"no kind of example is called '{kind}'{did_you_mean(str(kind), (*InputSpace.kinds,))}; install what "
            "defines it"
        )
    return InputSpace.kinds[kind].of_facts(values)


def space_of_source(source: Source) -> InputSpace:
    """What the examples of a data set are."""
    return space_from(json.loads(source.space)) if source.space else space_of(source.shape)


def require_images(space: InputSpace, what: str, error: type[FedleakError] = NotApplicable) -> Images:
    """The space, for what makes sense of images alone; raises `NotApplicable`, or another error, of any other."""
    if not isinstance(space, Images):
        raise error(f"{what} is for images, and the examples are {space.words}")
    return space


def require_table(space: InputSpace, what: str, error: type[FedleakError] = NotApplicable) -> Table:
    """The space, for what is for rows of a table alone; raises `NotApplicable`, or another error, of any other."""
    if not isinstance(space, Table):
        raise error(f"{what} is for rows of a table, and the examples are {space.words}")
    return space
