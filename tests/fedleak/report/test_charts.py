"""Axes and labels."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from fedleak.report.chart import Axis, axis_over, spread

PLACES = st.lists(st.floats(0, 200), max_size=10)


@given(low=st.floats(-100, 100), size=st.floats(1e-3, 1e4), log=st.booleans())
def test_ticks_lie_on_the_axis(low, size, log):
    low = abs(low) + 1e-3 if log else low
    axis = Axis(low=low, high=low + size, start=10.0, end=110.0, log=log)
    assert all(10 <= tick.at <= 110 for tick in axis.ticks())
    assert (axis.at(low), axis.at(low + size)) == (10.0, 110.0)


@given(PLACES)
def test_labels_are_apart_and_keep_their_order(places):
    moved = spread(places, 15.0, 0.0, 200.0)
    order = sorted(range(len(places)), key=lambda i: places[i])
    assert all(moved[b] - moved[a] >= 14.8 for a, b in itertools.pairwise(order))


def test_labels_with_room_stay_where_they_are():
    assert spread([10.0, 100.0, 50.0], 15.0, 0.0, 200.0) == [10.0, 100.0, 50.0]


def test_without_a_finite_value_there_is_no_axis():
    assert axis_over([math.nan, math.inf], 0.0, 1.0) is None
    assert axis_over([-1.0, 0.0], 0.0, 1.0, log=True) is None


def test_one_value_has_an_axis_around_it():
    axis = axis_over([5.0], 0.0, 100.0, margin=0.0)
    assert axis is not None
    assert axis.at(5.0) == 50.0
