"""Comma-separated values: the file of a user's table, its header in the first line."""

import csv
from pathlib import Path

from fedleak.errors import DataError, first_line

SEPARATORS = ",;\t"
"""What may stand between cells; the one that the first line has most of does."""
REMARK = "|"
"""Begins a line that is no row, as in the archive of UCI."""


def read_csv(path: Path) -> list[tuple[str, ...]]:
    """All lines as cells without spaces around them; raises `DataError` for a file that is none.

    Empty lines and remarks are passed over; each other line has as many cells as the first.
    """
    if not path.is_file():
        raise DataError(f"expected a table of comma-separated values, {path} is no file; give the path of one")
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith(REMARK)]
        separator = max(SEPARATORS, key=lines[0].count) if lines else SEPARATORS[0]
        found = [tuple(map(str.strip, row)) for row in csv.reader(lines, delimiter=separator, skipinitialspace=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as comma-separated values in UTF-8 ({first_line(error)})") from error
    if len(found) < 2:
        raise DataError(f"{path}: expected a line of names and rows below it, got {len(found)} lines")
    for number, row in enumerate(found, start=1):
        if len(row) != len(found[0]):
            raise DataError(f"{path}: expected {len(found[0])} cells in each row, got {len(row)} in row {number}")
    return found
