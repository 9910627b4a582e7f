"""Schemas of tables: kinds of columns, and that nothing but public rows shapes the numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedleak.errors import DataError
from fedleak.learning.source import Part
from fedleak.learning.table import MISSING, SPREAD
from fedleak.tables.encoding import encoded
from fedleak.tables.frame import Frame
from fedleak.tables.options import TableOptions
from fedleak.tables.schema import schema_of

NAMES = ("age", "sex", "town", "pay", "ill")
ROWS = [
    (str(20 + row), "MF"[row % 2], ("", "Ulm", "Bonn")[row % 3], "?" if row % 5 == 0 else f"{row * row}", str(row % 2))
    for row in range(60)
]


def frame(**options: object) -> Frame:
    return TableOptions.model_validate(options).frame("people", NAMES, ROWS)


def test_a_column_is_what_it_looks_like() -> None:
    columns = {column.name: column for column in schema_of(frame()).columns}
    assert columns.keys() == {"age", "sex", "town", "pay"}
    assert [columns[name].is_category for name in columns] == [False, True, True, False]
    assert columns["sex"].values == ("F", "M")
    assert columns["town"].values == ("Bonn", "Ulm", MISSING)


def test_a_column_is_what_it_is_said_to_be() -> None:
    ages = schema_of(frame(categories=("age",))).column("age").values
    assert ages == tuple(map(str, range(20, 80)))
    assert not schema_of(frame(label="sex", numbers=("ill",))).column("ill").is_category


def test_ranges_are_the_public_rows_alone() -> None:
    whole = frame()
    public = whole.parts() == Part.AUXILIARY
    ages = np.array(whole.column("age"), dtype=float)[public]
    column = schema_of(whole).column("age")
    assert column.low == pytest.approx(ages.mean() - SPREAD * ages.std())
    assert column.high == pytest.approx(ages.mean() + SPREAD * ages.std())
    inputs, _ = encoded(whole, schema_of(whole))
    assert inputs[torch.from_numpy(public), 0].mean().item() == pytest.approx(0, abs=1e-6)
    assert inputs[torch.from_numpy(public), 0].std(correction=0).item() == pytest.approx(1 / SPREAD, abs=1e-5)


def test_what_is_missing_is_a_category_or_the_median_of_public_rows() -> None:
    whole = frame()
    table = schema_of(whole)
    inputs, _ = encoded(whole, table)
    pay = table.column("pay")
    public = [row for row, part in enumerate(whole.parts()) if part == Part.AUXILIARY and row % 5]
    assert pay.median == np.median([row * row for row in public])
    filled = 2 * (pay.median - pay.low) / (pay.high - pay.low) - 1
    assert inputs[0, table.places("pay")].item() == pytest.approx(filled, abs=1e-6)
    assert table.said(inputs[0])["town"] == MISSING
    assert table.said(inputs[1]) == {"age": "21", "sex": "F", "town": "Ulm", "pay": "1"}


def test_rows_out_of_the_range_are_put_to_its_end_and_categories_are_settled() -> None:
    table = schema_of(frame())
    inputs, labels = encoded(frame(), table)
    assert inputs.min() >= -1
    assert inputs.max() <= 1
    assert torch.allclose(table.settled(inputs), inputs)
    assert labels.tolist() == [row % 2 for row in range(60)]
    far = replace(frame(), rows=[("1e9", *row[1:4]) for row in ROWS])
    assert (encoded(far, table)[0][:, 0] == 1).all()


def test_rows_that_are_alike_are_in_one_part_and_a_fifth_is_public() -> None:
    twice = replace(frame(), rows=[row[:4] for row in (*ROWS, *ROWS)], labels=["0"] * 120)
    parts = twice.parts()
    assert (parts[:60] == parts[60:]).all()
    assert np.bincount(parts).tolist() == [72, 24, 24]


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([(*row[:3], "7", row[4]) for row in ROWS], {"numbers": ["pay"]}, "'pay' is the same in all public rows"),
        ([(*row[:3], "7", row[4]) for row in ROWS], {}, "column 'pay' is the same in all rows and tells nothing"),
        (ROWS, {"numbers": ["town"]}, "column 'town' is said to be numbers, and has 'Bonn'; call it a category"),
        ([(f"{row}x", *ROWS[row % 60][1:]) for row in range(300)], {}, "column 'age' has 300 categories, and 100 is"),
        (ROWS[:4], {}, "people: expected 5 different rows or more, got 4"),
    ],
)
def test_a_column_that_tells_nothing_or_another_thing_is_refused(rows, options, said) -> None:
    made = TableOptions(**options).frame("people", NAMES, rows)
    with pytest.raises(DataError, match=said):
        schema_of(made)
