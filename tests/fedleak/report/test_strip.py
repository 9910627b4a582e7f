"""The scale of the strips."""

from hypothesis import given
from hypothesis import strategies as st

from fedleak.report.strip import Scale


@given(low=st.floats(-100, 100), size=st.floats(1e-3, 1e4), value=st.floats(-1e5, 1e5))
def test_every_value_lies_on_the_strip(low, size, value):
    scale = Scale(low=low, high=low + size, start=10.0, end=110.0)
    assert (scale.at(low), scale.at(low + size)) == (10.0, 110.0)
    assert 10 <= scale.at(value) <= 110


def test_one_value_is_in_the_middle():
    assert Scale(low=5.0, high=5.0, start=0.0, end=100.0).at(5.0) == 50.0
