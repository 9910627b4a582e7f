"""Encoding: the rows of a frame as a table's values in [-1, 1], and its labels as class indices."""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from fedleak.learning.table import MISSING, Column, Table
from fedleak.tables.frame import UNSAID, Frame


def encoded(frame: Frame, table: Table) -> tuple[Float[Tensor, "rows values"], Int[Tensor, " rows"]]:
    """Inputs and labels of all rows, by columns that `schema_of` gave.

    Numbers are standardized by the public rows' mean and standard deviation, three of which reach the end; where one is
    missing it is the public rows' median. A missing category is one of its own.
    """
    parts = [_values(frame.column(column.name), column) for column in table.columns]
    inputs = np.concatenate(parts, axis=1, dtype=np.float32)
    index = {name: place for place, name in enumerate(table.classes)}
    return torch.from_numpy(inputs), torch.tensor([index[label] for label in frame.labels])


def _values(words: list[str], column: Column) -> NDArray[np.float64]:
    if column.is_category:
        index = {value: place for place, value in enumerate(column.values)}
        chosen = [index[MISSING if word in UNSAID else word] for word in words]
        return 2 * np.eye(column.width)[chosen] - 1
    numbers = np.array([column.median if word in UNSAID else float(word) for word in words])
    shares = (numbers - column.low) / (column.high - column.low)
    return (2 * shares - 1).clip(-1, 1)[:, None]
