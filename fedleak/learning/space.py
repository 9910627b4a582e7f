"""Kinds of example by name: images, which a shape alone stands for, rows of tables, texts, and those of plug-ins."""

import json
from collections.abc import Mapping
from typing import Any

from fedleak.errors import ConfigError, FedleakError, NotApplicable, did_you_mean
from fedleak.learning.images import Images, space_of
from fedleak.learning.input_space import NEAR, InputSpace
from fedleak.learning.source import Source
from fedleak.learning.table import Column, Table
from fedleak.learning.text import Text

__all__ = [
    "NEAR",
    "Column",
    "Images",
    "InputSpace",
    "Table",
    "Text",
    "require_continuous",
    "require_images",
    "require_table",
    "require_text",
    "space_from",
    "space_of",
    "space_of_source",
]


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


def require_text(space: InputSpace, what: str, error: type[FedleakError] = NotApplicable) -> Text:
    """The space, for what is for windows of a text alone; raises `NotApplicable`, or another error, of any other."""
    if not isinstance(space, Text):
        raise error(f"{what} is for texts, and the examples are {space.words}")
    return space


def require_continuous(space: InputSpace, what: str, error: type[FedleakError] = NotApplicable) -> None:
    """For what follows slopes, or takes means; raises `NotApplicable`, or another error, where values have none."""
    if not space.continuous:
        raise error(f"{what} needs examples that can change little by little, and these are {space.words}")
