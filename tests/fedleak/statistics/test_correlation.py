"""Rank correlation against scipy's, and an interval that knows how little it knows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from fedleak.statistics.correlation import spearman

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=20)


@given(points=POINTS)
def test_it_is_scipy_s_also_with_ties(points):
    x, y = [float(a) for a, _ in points], [float(b) for _, b in points]
    found = spearman(x, y, [0] * len(x), "message")
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(found.value)
        assert not found.sure
    else:
        assert found.value == pytest.approx(spearmanr(x, y).statistic)


def test_below_five_units_there_is_no_interval():
    found = spearman([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [0, 1, 2, 3], "setting")
    assert found.value == pytest.approx(1.0)
    assert math.isnan(found.interval.low)
    assert found.interval.method == "too few: 4 settings"
    assert not found.sure


def test_repetitions_of_a_unit_do_not_make_it_surer():
    dice = np.random.default_rng(0)
    x = dice.normal(size=8)
    y = x + dice.normal(size=8)
    once = spearman(x.tolist(), y.tolist(), list(range(8)), "setting")
    often = spearman(np.repeat(x, 20).tolist(), np.repeat(y, 20).tolist(), np.repeat(range(8), 20).tolist(), "setting")
    apart = spearman(np.repeat(x, 20).tolist(), np.repeat(y, 20).tolist(), list(range(160)), "message")
    width, repeated, wrong = (c.interval.high - c.interval.low for c in (once, often, apart))
    assert repeated == pytest.approx(width, rel=0.15)
    assert wrong < 0.6 * width


def test_the_interval_holds_the_truth_and_leaves_out_zero_seldom():
    """Of two independent numbers over ten messages, the interval leaves out zero in few of a hundred runs."""
    wrong = 0
    for seed in range(100):
        dice = np.random.default_rng(seed)
        found = spearman(dice.normal(size=10).tolist(), dice.normal(size=10).tolist(), list(range(10)), "message")
        wrong += found.sure
    assert wrong <= 10


def test_infinities_have_ranks():
    found = spearman([1.0, 2.0, math.inf], [3.0, 2.0, 1.0], [0, 1, 2], "message")
    assert found.value == pytest.approx(-1.0)


def test_within_groups_the_groups_own_order_counts_alone():
    """Between the groups the order is perfect, within each it is the other way round."""
    x = [1.0, 2.0, 3.0, 11.0, 12.0, 13.0]
    y = [3.0, 2.0, 1.0, 13.0, 12.0, 11.0]
    groups = ["a"] * 3 + ["b"] * 3
    assert spearman(x, y, list(range(6)), "message").value > 0.3
    assert spearman(x, y, list(range(6)), "message", groups).value == pytest.approx(-1.0)


def test_nothing_is_no_correlation():
    assert math.isnan(spearman([], [], [], "message").value)
