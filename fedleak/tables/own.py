"""A table of the user's own: a file of comma-separated values with the names of its columns in the first line."""

from fedleak.learning.source import Source
from fedleak.tables.csv_file import read_csv
from fedleak.tables.frame import Frame
from fedleak.tables.options import TableOptions


def own(source: Source) -> Frame:
    """The table in the file `source.path`, by the options of the task."""
    assert source.path is not None, "its source always has its path"
    names, *rows = read_csv(source.path)
    return TableOptions.read(source.options).frame(str(source.path), names, rows)
