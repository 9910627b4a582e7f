"""Options of a table: which column is the label, which are left out, and of which kind columns are."""

import json
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from fedleak.errors import ConfigError, DataError, did_you_mean
from fedleak.settings.base import Settings, parse_settings
from fedleak.tables.frame import UNSAID, Frame, Kind, is_number

Columns = Annotated[tuple[str, ...], Field(strict=False)]
MOST_CLASSES = 20
"""Different labels above which a column is more likely a number than a class."""


class TableOptions(Settings):
    """`[task] data_options` of a table."""

    label: str = ""
    """The column that models predict; by default the last."""
    above: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Where the label is a number: the classes are those up to it and those above."""
    ignore: Columns = ()
    """Columns that models do not see."""
    numbers: Columns = ()
    """Columns that are numbers, few as they may be."""
    categories: Columns = ()
    """Columns that are categories, though they look like numbers."""
    merged: dict[str, dict[str, Columns]] = Field(default={})
    """By column, categories that are taken for one, under its name: `{ status = { married = ["a", "b"] } }`."""

    @staticmethod
    def read(options: str) -> "TableOptions":
        """Of a JSON table; raises `ConfigError` for an option that there is not or a value of another type."""
        return parse_settings(TableOptions, json.loads(options), "task.data_options")

    def frame(self, what: str, names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Frame:
        """The frame of a table's lines; raises `ConfigError` for columns it lacks, `DataError` for what cannot be."""
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"{what}: expected each column once, got '{repeated[0]}' several times; rename one")
        label = self.label or names[-1]
        for option, chosen in self._chosen(label):
            if chosen not in names:
                raise ConfigError(
                    f"task.data_options.{option}: {what} has no column '{chosen}'{did_you_mean(chosen, names)}"
                )
            if option != "label" and chosen == label:
                raise ConfigError(f"task.data_options.{option}: '{label}' is the label; name another column")
        rows = self._merged(what, names, rows)
        kept = [place for place, name in enumerate(names) if name != label and name not in self.ignore]
        if not kept:
            raise DataError(f"{what}: expected a column beside the label '{label}', got none; ignore fewer")
        kinds: dict[str, Kind] = {**dict.fromkeys(self.numbers, "number"), **dict.fromkeys(self.categories, "category")}
        labels, classes = self._labels(what, label, [row[names.index(label)] for row in rows])
        return Frame(
            what=what,
            names=tuple(names[place] for place in kept),
            rows=[tuple(row[place] for place in kept) for row in rows],
            label=label,
            labels=labels,
            classes=classes,
            kinds=kinds,
        )

    def _chosen(self, label: str) -> list[tuple[str, str]]:
        """Every column that is named, and by which option."""
        lists = {
            "ignore": self.ignore,
            "numbers": self.numbers,
            "categories": self.categories,
            "merged": tuple(self.merged),
        }
        return [("label", label), *((option, name) for option, names in lists.items() for name in names)]

    def _merged(self, what: str, names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Sequence[tuple[str, ...]]:
        """The rows with one category in the place of those that are merged."""
        for column, groups in self.merged.items():
            place, new = names.index(column), {old: name for name, olds in groups.items() for old in olds}
            there = {row[place] for row in rows}
            if strange := sorted(new.keys() - there):
                raise ConfigError(
                    f"task.data_options.merged.{column}: {what} has no such category '{strange[0]}'"
                    f"{did_you_mean(strange[0], sorted(there))}"
                )
            rows = [(*row[:place], new.get(row[place], row[place]), *row[place + 1 :]) for row in rows]
        return rows

    def _labels(self, what: str, label: str, said: list[str]) -> tuple[list[str], tuple[str, ...]]:
        """The label of each row, and the classes that there are."""
        if any(word in UNSAID for word in said):
            raise DataError(f"{what}: expected a label in each row, and '{label}' is missing in some; leave those out")
        if self.above is not None:
            return _halves(what, label, said, self.above)
        classes = sorted(set(said), key=float) if all(map(is_number, said)) else sorted(set(said))
        if not 2 <= len(classes) <= MOST_CLASSES:
            raise DataError(
                f"{what}: expected 2 to {MOST_CLASSES} classes in the label '{label}', got {len(classes)}; name "
                "another as data_options.label, or the number that parts them as data_options.above"
            )
        return said, tuple(classes)


def _halves(what: str, label: str, said: list[str], above: float) -> tuple[list[str], tuple[str, ...]]:
    if strange := [word for word in said if not is_number(word)]:
        raise DataError(f"{what}: expected numbers in '{label}' to compare with {above:g}, got '{strange[0]}'")
    classes = (f"up to {above:g}", f"above {above:g}")
    labels = [classes[float(word) > above] for word in said]
    if len(set(labels)) < 2:
        raise DataError(f"{what}: '{label}' is {labels[0]} in all rows; compare with another number")
    return labels, classes
