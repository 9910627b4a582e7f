"""Arrays made from buffers are those that Arrow makes of the same values."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.results.tables import array_of, figures, lists_of_figures

FIGURES = st.lists(st.one_of(st.floats(), st.just(math.nan)), max_size=20)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def finite(value):
    return value if math.isfinite(value) else None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.string(), TEXT), (pa.bool_(), st.booleans()), (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
        (pa.float64(), st.floats(allow_nan=False)),
    ],
    ids=str,
)  # fmt: skip
def test_a_column_is_as_arrow_makes_it(kind, values):
    @given(st.lists(st.one_of(st.none(), values), max_size=20))
    def check(column):
        made = array_of(column, kind)
        made.validate(full=True)
        assert made.equals(pa.array(column, kind))

    check()


@given(FIGURES)
def test_figures_that_are_not_finite_are_null(values):
    made = figures(values)
    made.validate(full=True)
    assert made.equals(pa.array([finite(value) for value in values], pa.float64()))


@pytest.mark.slow
@given(st.lists(FIGURES, max_size=5))
def test_lists_keep_their_places(values):
    made = lists_of_figures(values)
    made.validate(full=True)
    assert made.equals(pa.array([[finite(value) for value in one] for one in values], pa.list_(pa.float64())))
