"""Arrow tables of a run's rows: `results.parquet`, and what `fedleak query` asks.

A row's `client` becomes two columns: `sender`, which is `client`, `aggregate`, `model`, `active` or `relay`, and
`client`, its number, null for the others. Each key of a row's `setting` becomes a column of its own; see `table_of`.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, Literal, Protocol, get_type_hints, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fedleak.io.atomic import write_atomically
from fedleak.results.check_row import CheckRow
from fedleak.results.dp_row import DPRow
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row
from fedleak.results.schema import Meaning, Split
from fedleak.settings.base import Scalar

WHO = int | Literal["aggregate", "model", "active", "relay"]
LARGEST_EXACT = 2**53
"""Beyond this a double does not hold every whole number."""
LARGEST_INTEGER = 2**63 - 1
DTYPES = {pa.bool_(): np.bool_, pa.int32(): np.int32, pa.int64(): np.int64, pa.float64(): np.float64}


@runtime_checkable
class Varying(Protocol):
    """A row of a campaign."""

    @property
    def setting(self) -> Mapping[str, Scalar]: ...


@dataclass(frozen=True)
class Column:
    """A column that every table of its kind has. A figure that is not finite is null, as in the JSON file."""

    name: str
    type: pa.DataType
    meaning: str
    value: Callable[[Any], Any] | None = None
    """From a row; its field of the same name by default."""

    def array(self, rows: Sequence[Any]) -> pa.Array:
        """The column of these rows."""
        values = [getattr(row, self.name) if self.value is None else self.value(row) for row in rows]
        if pa.types.is_list(self.type):
            return lists_of_figures(values)
        return figures(values) if pa.types.is_floating(self.type) else array_of(values, self.type)

    @property
    def field(self) -> pa.Field:
        """Name, type and, for whoever opens the file, the meaning."""
        return pa.field(self.name, self.type, metadata={"meaning": self.meaning})


ARROW: dict[Any, pa.DataType] = {
    str: pa.string(),
    str | None: pa.string(),
    Split: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    tuple[float, ...]: pa.list_(pa.float64()),
}
"""The type of a column by that of a row's field."""


def columns_of(row: type[Any]) -> tuple[Column, ...]:
    """The columns of the fields that say what they mean, in their order, each of the type that its field has."""
    plain, whole = get_type_hints(row), get_type_hints(row, include_extras=True)
    return tuple(
        column
        for name, hint in whole.items()
        for extra in getattr(hint, "__metadata__", ())
        if isinstance(extra, Meaning)
        for column in _columns(name, plain[name], extra.text)
    )


def _columns(name: str, kind: Any, meaning: str) -> tuple[Column, ...]:
    """A client's number and the words for the others are columns of their own."""
    if kind != WHO:
        return (Column(name, ARROW[kind], meaning),)
    words = "client; aggregate: the sum of secure aggregation; model: what left; active, relay: whose diary it is"
    sender = Column("sender", pa.string(), words, _sender)
    return sender, Column(name, pa.int64(), meaning, _number)


def _sender(row: Any) -> str:
    return row.client if isinstance(row.client, str) else "client"


def _number(row: Any) -> int | None:
    return None if isinstance(row.client, str) else row.client


def table_of(columns: Sequence[Column], rows: Sequence[Varying]) -> pa.Table:
    """The columns, then one for each key of the rows' settings, null where a row has no such key."""
    keys = list(dict.fromkeys(key for row in rows for key in row.setting))
    names = setting_names(keys, [column.name for column in columns])
    settings = [scalars([row.setting.get(key) for row in rows]) for key in keys]
    fields = [
        pa.field(names[key], array.type, metadata={"meaning": f"setting {key}", "setting": key})
        for key, array in zip(keys, settings, strict=True)
    ]
    arrays = [column.array(rows) for column in columns]
    return pa.Table.from_arrays(
        [*arrays, *settings], schema=pa.schema([*(column.field for column in columns), *fields])
    )


def setting_names(keys: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """Each key's column: its last part, or all of it where another column is called so; SQL ignores upper case."""
    short = {key: key.rpartition(".")[2] for key in keys}
    uses = Counter([name.lower() for name in taken] + [name.lower() for name in short.values()])
    return {key: name if uses[name.lower()] == 1 else _qualified(key) for key, name in short.items()}


def scalars(values: Sequence[Scalar | None]) -> pa.Array:
    """A column of the narrowest type that holds every value as it is; text where they are of several kinds."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return array_of(values, pa.bool_())
    if kinds == {int} and _all_within(values, LARGEST_INTEGER):
        return array_of(values, pa.int64())
    if kinds in ({float}, {int, float}) and _all_within(values, LARGEST_EXACT):
        return array_of(values, pa.float64())
    return array_of([None if value is None else _text(value) for value in values], pa.string())


def _qualified(key: str) -> str:
    return key if "." in key else f"setting.{key}"


def _all_within(values: Sequence[Scalar | None], limit: int) -> bool:
    return all(abs(value) <= limit for value in values if isinstance(value, int))


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


SOURCE = "digest of results.jsonl"
"""Key of a Parquet file's metadata."""


RESULTS = columns_of(Row)


FEDERATIONS = columns_of(FederationRow)


CHECKS = columns_of(CheckRow)


AUDITS = columns_of(DPRow)


def digest_of(results: Path) -> str:
    """Tells whether a table still says what a file says; empty where there is none."""
    try:
        return hashlib.blake2b(results.read_bytes(), digest_size=10).hexdigest()
    except OSError:
        return ""


def results_table(rows: Iterable[Row]) -> pa.Table:
    """The rows of `results.jsonl` as columns."""
    return table_of(RESULTS, tuple(rows))


def federations_table(rows: Iterable[FederationRow]) -> pa.Table:
    """The rows of `federations.jsonl` as columns."""
    return table_of(FEDERATIONS, tuple(rows))


def checks_table(rows: Iterable[CheckRow]) -> pa.Table:
    """The rows of `checks.jsonl` as columns."""
    return table_of(CHECKS, tuple(rows))


def dp_table(rows: Iterable[DPRow]) -> pa.Table:
    """The rows of `dp-audit.jsonl` as columns."""
    return table_of(AUDITS, tuple(rows))


def write_parquet(path: Path, rows: Iterable[Row]) -> Path:
    """Writes the rows as `results.parquet`, beside the `results.jsonl` that has them; the file is replaced whole."""
    return write_table(path, results_table(rows), digest_of(path.with_name("results.jsonl")))


def write_table(path: Path, table: pa.Table, source: str) -> Path:
    """Writes a table as Parquet with the digest of the file that it was made from; the file is replaced whole."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({SOURCE: source}), sink, compression="zstd")
    return write_atomically(path, sink.getvalue().to_pybytes())


# Arrow arrays of Python values, made from buffers: `pyarrow.array` imports pandas, which takes more than a second.


def array_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """A column of text, flags, whole numbers or figures; None is null."""
    if pa.types.is_string(kind):
        return _texts(values)
    known = np.array([value is not None for value in values], dtype=bool)
    held: np.ndarray = np.array([0 if value is None else value for value in values], dtype=DTYPES[kind])
    return _from_buffers(held, known, kind)


def figures(values: Sequence[float]) -> pa.Array:
    """A column of figures; one that is not finite is null."""
    held = np.array(values, dtype=float)
    return _from_buffers(held, np.isfinite(held), pa.float64())


def lists_of_figures(values: Sequence[Sequence[float]]) -> pa.Array:
    """A column of lists of figures; one that is not finite is null in its list."""
    offsets = [0, *accumulate(len(value) for value in values)]
    return pa.ListArray.from_arrays(array_of(offsets, pa.int32()), figures(list(chain.from_iterable(values))))


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
