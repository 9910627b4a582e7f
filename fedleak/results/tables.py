"""Arrow tables of a run's rows: `results.parquet`, and what `fedleak query` asks.

A row's `client` becomes two columns: `sender`, which is `client` or `aggregate`, and `client`, its number, null for the
aggregate. Each key of a row's `setting` becomes a column of its own; see `columns.table_of`.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fedleak.io.atomic import write_atomically
from fedleak.results.columns import columns_of, table_of
from fedleak.results.federation_row import FederationRow
from fedleak.results.row import Row

SOURCE = "digest of results.jsonl"
"""Key of a Parquet file's metadata."""
RESULTS = columns_of(Row)
FEDERATIONS = columns_of(FederationRow)


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


def write_parquet(path: Path, rows: Iterable[Row]) -> Path:
    """Writes the rows as `results.parquet`, beside the `results.jsonl` that has them; the file is replaced whole."""
    return write_table(path, results_table(rows), digest_of(path.with_name("results.jsonl")))


def write_table(path: Path, table: pa.Table, source: str) -> Path:
    """Writes a table as Parquet with the digest of the file that it was made from; the file is replaced whole."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({SOURCE: source}), sink, compression="zstd")
    return write_atomically(path, sink.getvalue().to_pybytes())
