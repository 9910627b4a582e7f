"""Adult, the census of 1994: the files of UCI's archive, or a table of the same columns."""

from pathlib import Path

from fedleak.errors import DataError
from fedleak.learning.source import Source
from fedleak.tables.csv_file import read_csv
from fedleak.tables.frame import Frame
from fedleak.tables.options import TableOptions

FILES = ("adult.data", "adult.test")
NAMES = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
)
"""As the archive names them, whose files do not have them in their first line."""


def adult(source: Source) -> Frame:
    """People with fourteen columns; the label is whether they earn more than 50,000 dollars a year.

    `source.path` is the folder with adult.data, and adult.test where there is one, or one such file.
    """
    assert source.path is not None, "its source always has its path"
    files = [source.path / name for name in FILES] if source.path.is_dir() else [source.path]
    if not files[0].is_file():
        raise DataError(
            f"adult: expected {FILES[0]} in {source.path}, found none; unpack https://doi.org/10.24432/C5XW20 there"
        )
    rows = [row for file in files if file.is_file() for row in _rows(file)]
    return TableOptions.read(source.options).frame(source.name, NAMES, rows)


def _rows(file: Path) -> list[tuple[str, ...]]:
    """The people in a file, whose labels in adult.test end with a full stop."""
    lines = read_csv(file)
    if len(lines[0]) != len(NAMES):
        raise DataError(
            f"adult: expected {len(NAMES)} columns in {file}, got {len(lines[0])}; give another as csv:PATH"
        )
    people = lines[1:] if lines[0][0] == NAMES[0] else lines
    return [(*row[:-1], row[-1].rstrip(".")) for row in people]
