"""DuckDB in memory, from which SQL can reach nothing outside."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from fedleak.errors import ConfigError, did_you_mean

LOCKED = {
    "memory_limit": "'2GB'",  # a query that wants more is refused, and takes no other program down
    "timezone": "'UTC'",  # the same answer on every machine
    "temp_directory": "''",  # else what does not fit the memory is written into the folder one stands in
    "allow_persistent_secrets": "false",
    "allow_community_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # a table's name would find variables of the calling program
    "enable_external_access": "false",
    "lock_configuration": "true",
}
"""In this order: no files, no network, and no way back."""
BATCH = 10_000
MOST_COUNTED = 1_000_000
"""Rows beyond the limit that are counted; more take longer than anybody wants to know."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a query gave."""

    columns: tuple[str, ...]
    """Each different; the second `a` is called `a_1`."""
    rows: tuple[tuple[Any, ...], ...]
    more: int
    """Rows beyond the limit, counted up to `MOST_COUNTED`."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What a query gives, a batch at a time; read it before the next query."""

    columns: tuple[str, ...]
    batches: Iterator[list[tuple[Any, ...]]]


@dataclass(frozen=True, kw_only=True)
class Described:
    """A column that can be asked for."""

    table: str
    name: str
    type: str
    meaning: str


class Database:
    """Some tables by name. SQL may change them, but nothing that they were made from."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self.tables = tuple(tables)
        self._connection = duckdb.connect(":memory:")
        for name, table in tables.items():
            self._load(name, table)
        for option, value in LOCKED.items():
            self._connection.execute(f"SET {option} = {value}")

    def ask(self, sql: str, limit: int | None = None) -> Answer:
        """The answer to a query, or its first rows; raises `ConfigError` with DuckDB's own complaint."""
        stream = self.stream(sql, limit)
        return Answer(columns=stream.columns, rows=tuple(chain.from_iterable(stream.batches)), more=self.more())

    def stream(self, sql: str, limit: int | None = None) -> Stream:
        """The same however many rows there are; the first batch is read at once, so that most complaints come now."""
        with self._complaining():
            names = self._execute(sql)
            first = self._connection.fetchmany(BATCH if limit is None else min(BATCH, limit))
        return Stream(columns=_different(names), batches=self._batches(first, limit))

    def more(self) -> int:
        """The rows that the last query has left, counted up to `MOST_COUNTED`."""
        count = 0
        with self._complaining():
            while count < MOST_COUNTED and (batch := self._connection.fetchmany(BATCH)):
                count += len(batch)
        return count

    def describe(self) -> list[Described]:
        """The columns of the tables, in their order."""
        found = self._connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE list_contains(?, table_name) ORDER BY list_position(?, table_name), column_index",
            [self.tables, self.tables],
        ).fetchall()
        return [Described(table=table, name=name, type=kind, meaning=text or "") for table, name, kind, text in found]

    def _batches(self, batch: list[tuple[Any, ...]], limit: int | None) -> Iterator[list[tuple[Any, ...]]]:
        count = 0
        while batch:
            yield batch
            count += len(batch)
            with self._complaining():
                batch = self._connection.fetchmany(BATCH if limit is None else min(BATCH, limit - count))

    def _execute(self, sql: str) -> list[str]:
        """Runs every statement, and leaves the answer of the last one to be fetched; the names of its columns."""
        statements = self._connection.extract_statements(sql)
        if not statements:
            raise ConfigError("the SQL is empty; expected a query such as SELECT count(*) FROM results")
        for statement in statements:
            self._connection.execute(statement)
        columns = self._connection.description or ()
        if statements[-1].type == duckdb.StatementType.SELECT and any("TIME ZONE" in str(kind[1]) for kind in columns):
            self._execute_as_text(statements[-1].query, [str(kind[1]) for kind in columns])
        return [column[0] for column in columns]

    def _execute_as_text(self, query: str, kinds: list[str]) -> None:
        """The same query with its times with a zone as text: to become Python's they would need another package."""
        names = [f"column_{i}" for i in range(len(kinds))]
        shown = [f"{name}::VARCHAR" if "TIME ZONE" in kind else name for name, kind in zip(names, kinds, strict=True)]
        self._connection.execute(
            f"SELECT {', '.join(shown)} FROM (\n{query.rstrip().rstrip(';')}\n) AS answer({', '.join(names)})"
        )

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise ConfigError(f"SQL: {complaint(str(error), self.tables)}") from error

    def _load(self, name: str, table: pa.Table) -> None:
        self._connection.register("loaded", table)
        self._connection.execute(f"CREATE TABLE {name} AS FROM loaded")
        self._connection.unregister("loaded")
        for field in table.schema:
            column = field.name.replace('"', '""')
            meaning = (field.metadata or {}).get(b"meaning", b"").decode().replace("'", "''")
            self._connection.execute(f"COMMENT ON COLUMN {name}.\"{column}\" IS '{meaning}'")


def complaint(message: str, tables: Iterable[str]) -> str:
    """DuckDB's message as one sentence: its first line, and what it thinks was meant."""
    first, *others = message.strip().splitlines()
    unknown = re.search(r"Table with name (\S+) does not exist", first)
    if unknown:  # DuckDB would name its own tables too
        return first.rstrip("!.") + did_you_mean(unknown[1], tables)
    for line in others:
        meant = re.match(r"(?:Did you mean|Candidate bindings:) (.+?)\??$", line)
        if meant:
            return f"{first.rstrip('!.')}; did you mean {meant[1]}?"
    return first


def _different(names: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        number, candidate = 0, name
        while candidate in found:
            number += 1
            candidate = f"{name}_{number}"
        found.append(candidate)
    return tuple(found)
