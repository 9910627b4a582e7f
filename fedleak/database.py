"""Tables that SQL can ask, in a DuckDB in memory from which nothing outside can be reached."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from fedleak.errors import ConfigError, did_you_mean

LOCKED = {
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


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a query gave."""

    columns: tuple[str, ...]
    """Each different; the second `a` is called `a_1`."""
    rows: tuple[tuple[Any, ...], ...]
    more: int
    """Rows beyond the limit."""


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
        database = self._connection
        try:
            if not database.extract_statements(sql):
                raise ConfigError("the SQL is empty; expected a query such as SELECT count(*) FROM results")
            database.execute(sql)
            names = [column[0] for column in database.description or ()]
            rows = database.fetchall() if limit is None else database.fetchmany(limit)
            more = sum(len(batch) for batch in iter(lambda: database.fetchmany(BATCH), []))
        except duckdb.Error as error:
            raise ConfigError(f"SQL: {complaint(str(error), self.tables)}") from error
        return Answer(columns=_different(names), rows=tuple(rows), more=more)

    def describe(self) -> list[Described]:
        """The columns of the tables, in their order."""
        found = self._connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE list_contains(?, table_name) ORDER BY list_position(?, table_name), column_index",
            [self.tables, self.tables],
        ).fetchall()
        return [Described(table=table, name=name, type=kind, meaning=text or "") for table, name, kind, text in found]

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
