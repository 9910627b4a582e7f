"""Frame: a table as it was read, in words: rows of the columns that models see, and a label for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedleak.errors import DataError
from fedleak.learning.source import Part

UNSAID = frozenset({"", "?", "NA", "N/A", "NaN", "nan", "null"})
"""What a table has where somebody does not say theirs."""
FEWEST = 5
"""Different rows below which a split would be empty."""
Kind = Literal["number", "category"]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Rows of `names` and `labels` beside them, all as written."""

    what: str
    """What it is called in sentences."""
    names: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    label: str
    labels: Sequence[str]
    classes: tuple[str, ...]
    """What the label may say, in the order of class indices."""
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """Columns that are said to be of a kind; of others it shows."""

    def column(self, name: str) -> list[str]:
        """What each row says in a column."""
        place = self.names.index(name)
        return [row[place] for row in self.rows]

    def parts(self) -> NDArray[np.int64]:
        """The `Part` of each row: a fifth of different rows tests, a fifth is public, the same in every run.

        Chance decides, by a digest of the row, so that rows that are alike are in one part.
        """
        order = sorted(set(self.rows), key=lambda row: blake2b(repr(row).encode(), digest_size=16).digest())
        fifth = len(order) // FEWEST
        if not fifth:
            raise DataError(f"{self.what}: expected {FEWEST} different rows or more, got {len(order)}")
        part = dict.fromkeys(order, Part.CLIENTS)
        part |= dict.fromkeys(order[:fifth], Part.TEST) | dict.fromkeys(order[fifth : 2 * fifth], Part.AUXILIARY)
        return np.array([part[row] for row in self.rows], dtype=np.int64)


def is_number(word: str) -> bool:
    """Whether a cell is a finite number."""
    try:
        return isfinite(float(word))
    except ValueError:
        return False
