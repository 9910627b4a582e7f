"""Sources of tables: what is public of one, read from the table that it names."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from fedleak.learning.source import Source
from fedleak.tables.adult import adult
from fedleak.tables.csv_file import read_csv
from fedleak.tables.frame import Frame
from fedleak.tables.options import TableOptions
from fedleak.tables.packaged import breast_cancer, diabetes
from fedleak.tables.schema import schema_of


def own(source: Source) -> Frame:
    """The user's own table, in the file `source.path`, by the options of the task."""
    assert source.path is not None, "its source always has its path"
    names, *rows = read_csv(source.path)
    return TableOptions.read(source.options).frame(str(source.path), names, rows)


READERS: dict[str, Callable[[Source], Frame]] = {
    "diabetes": diabetes,
    "breast-cancer": breast_cancer,
    "adult": adult,
    "csv": own,
}
"""What reads a table, by the name of its source."""


@lru_cache(maxsize=16)
def described(source: Source) -> Source:
    """The source of a table with its columns and classes; any other source as it is.

    Raises `DataError` where the table cannot be read, `ConfigError` where it has not what the task says.
    """
    if source.name not in READERS or source.space:
        return source
    frame = frame_of(source)
    table = schema_of(frame)
    return replace(source, shape=table.shape, classes=len(table.classes), space=json.dumps(table.facts()))


def frame_of(source: Source) -> Frame:
    """The rows of the table that a source names."""
    return READERS[source.name](source)
