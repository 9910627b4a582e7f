"""Schema: the columns of a table as the public knows them, inferred from a frame.

Which columns there are, of which kind, and which categories a column or the label has is public, as the choices on a
form are. Means, standard deviations and medians are those of the public rows alone.
"""

from collections.abc import Sequence

import numpy as np

from fedleak.errors import DataError
from fedleak.learning.source import Part
from fedleak.learning.table import MISSING, SPREAD, Column, Table
from fedleak.tables.frame import UNSAID, Frame, is_number

FEW = 2
"""Different values up to which a column of numbers is a category, unless it is said to be a number."""
MOST = 100
"""Categories above which a column is more likely a name or a key."""


def schema_of(frame: Frame) -> Table:
    """The columns of a frame; raises `DataError` for one that says nothing, or is not of the kind that was said."""
    public = np.flatnonzero(frame.parts() == Part.AUXILIARY)
    columns = tuple(_column(frame, name, frame.column(name), public) for name in frame.names)
    return Table(columns=columns, label=frame.label, classes=frame.classes)


def _column(frame: Frame, name: str, words: Sequence[str], public: Sequence[int] | np.ndarray) -> Column:
    said = {word for word in words if word not in UNSAID}
    kind = frame.kinds.get(name) or ("number" if len(said) > FEW and all(map(is_number, said)) else "category")
    if kind == "category":
        return _category(frame, name, said, complete=UNSAID.isdisjoint(words))
    if strange := sorted(word for word in said if not is_number(word)):
        raise DataError(
            f"{frame.what}: column '{name}' is said to be numbers, and has '{strange[0]}'; call it a category"
        )
    numbers = np.array([float(words[row]) for row in public if words[row] not in UNSAID])
    if not len(numbers) or np.ptp(numbers) == 0:
        raise DataError(
            f"{frame.what}: column '{name}' is the same in all public rows and tells nothing; ignore it, or call it a "
            "category"
        )
    unsaid = len(public) - len(numbers)
    filled = np.concatenate([numbers, np.full(unsaid, np.median(numbers))])
    mean, reach = float(filled.mean()), SPREAD * float(filled.std())
    return Column(name, low=mean - reach, high=mean + reach, median=float(np.median(numbers)))


def _category(frame: Frame, name: str, said: set[str], *, complete: bool) -> Column:
    values = (*_in_order(said), *(() if complete else (MISSING,)))
    if len(values) < FEW:
        raise DataError(f"{frame.what}: column '{name}' is the same in all rows and tells nothing; ignore it")
    if len(values) > MOST:
        raise DataError(
            f"{frame.what}: column '{name}' has {len(values)} categories, and {MOST} is the most; ignore it, or say "
            "that it is numbers"
        )
    return Column(name, values=values)


def _in_order(said: set[str]) -> list[str]:
    """By number where all are numbers, else by letter."""
    return sorted(said, key=float) if all(map(is_number, said)) else sorted(said)
