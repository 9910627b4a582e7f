"""Arrow arrays of Python values, made from buffers: `pyarrow.array` imports pandas, which takes more than a second."""

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np
import pyarrow as pa


def array_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """A column of text, flags, whole numbers or figures; None is null."""
    if pa.types.is_string(kind):
        return _texts(values)
    known = np.array([value is not None for value in values], dtype=bool)
    held = np.array([0 if value is None else value for value in values], dtype=DTYPES[kind])
    return _from_buffers(held, known, kind)


def figures(values: Sequence[float]) -> pa.Array:
    """A column of figures; one that is not finite is null."""
    held = np.array(values, dtype=float)
    return _from_buffers(held, np.isfinite(held), pa.float64())


def lists_of_figures(values: Sequence[Sequence[float]]) -> pa.Array:
    """A column of lists of figures; one that is not finite is null in its list."""
    offsets = [0, *accumulate(len(value) for value in values)]
    return pa.ListArray.from_arrays(array_of(offsets, pa.int32()), figures(list(chain.from_iterable(values))))


DTYPES = {pa.bool_(): np.bool_, pa.int32(): np.int32, pa.int64(): np.int64, pa.float64(): np.float64}


def _texts(values: Sequence[str | None]) -> pa.Array:
    builder = pa.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def _from_buffers(held: np.ndarray, known: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Arrow packs flags, those that tell what is null among them, eight to a byte."""
    packed = _packed(held) if held.dtype == np.bool_ else held
    return pa.Array.from_buffers(kind, len(held), [pa.py_buffer(_packed(known)), pa.py_buffer(packed)])


def _packed(flags: np.ndarray) -> np.ndarray:
    return np.packbits(flags, bitorder="little")
