"""A data source: what is public about a data set, which is all that the adversary knows of it."""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

Shape = tuple[int, ...]


class Part(IntEnum):
    """Who holds an example."""

    CLIENTS = 0
    TEST = 1
    AUXILIARY = 2


@dataclass(frozen=True)
class Source:
    """A data set as the adversary knows it; its examples are in `fedleak.data`."""

    name: str
    shape: Shape
    classes: int
    summary: str
    path: Path | None = None
    """The folder of an `image-folder`; of a user's function or data set, the folder that its module lies in."""
    loader: str = ""
    """The name that its loader is registered under, where that is another."""
    reference: str = ""
    """What one loader of many data sets goes by: a name in a library, or a user's `MODULE:NAME`."""
    options: str = "{}"
    """Its keyword arguments, as JSON."""
    several_labels: bool = False
    """Whether an example has any number of the labels, and not one."""
    space: str = ""
    """What its examples are, as JSON of `InputSpace.facts`: a list of sources needs no PyTorch. Empty: images in
    [0, 1]."""
