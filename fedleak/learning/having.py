"""Property of an example: which examples say a stated value in a column of a table, or are of a stated class."""

import math

from jaxtyping import Bool
from torch import Tensor

from fedleak.errors import ConfigError, did_you_mean
from fedleak.learning.batch import Batch
from fedleak.learning.input_space import InputSpace
from fedleak.learning.space import Table, require_table

LABEL = "label"


def having(examples: Batch, property: str, place: str) -> Bool[Tensor, " examples"]:
    """Which of the examples have a property: `COLUMN=CATEGORY` of a table, or `label=CLASS` of any data.

    Raises `ConfigError`, about the setting at `place`, for a column that the data lack, and for sets of labels.
    """
    name, _, value = property.partition("=")
    space = examples.space
    if _is_label(space, name):
        if examples.labels.dim() != 1:
            raise ConfigError(f"{place}: expected examples of one label each, these have sets of them")
        return examples.labels == (space.classes.index(value) if space.classes else int(value))
    table = require_table(space, f"{place}: '{name}', a column,", ConfigError)
    return (examples.inputs[:, table.places(name)] == table.row(name, value)).all(1)


def require_property(space: InputSpace, property: str, classes: int, place: str) -> None:
    """Raises `ConfigError` for a property that no example of so many classes can have, without any example."""
    name, _, value = property.partition("=")
    if _is_label(space, name):
        known = space.classes or tuple(map(str, range(classes)))
        if value not in known:
            raise ConfigError(f"{place}: no label is called '{value}'{did_you_mean(value, known)}")
        return
    table = require_table(space, f"{place}: '{name}', a column,", ConfigError)
    try:
        table.row(name, value)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error


def share_of(examples: Batch, property: str, place: str) -> float:
    """The share of the examples that have a property; NaN of none. Raises as `having`."""
    return float(having(examples, property, place).double().mean()) if len(examples) else math.nan


def _is_label(space: InputSpace, name: str) -> bool:
    return name == LABEL or (isinstance(space, Table) and name == space.label)
