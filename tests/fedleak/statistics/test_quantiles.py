"""A percentile's interval covers what it should, and knows that samples of one message go together."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedleak.statistics.quantiles import percentile_interval, ranks, tail

LEVEL = 0.975


@given(units=st.integers(1, 200), level=st.floats(0, 1))
def test_ranks_are_the_closest_that_scipy_s_binomial_law_allows(units, level):
    lower, upper = ranks(units, level)
    law = stats.binom(units, level)
    assert law.sf(lower - 1) >= LEVEL - 1e-9
    assert lower == units or law.sf(lower) < LEVEL
    assert law.cdf(upper - 1) >= LEVEL - 1e-9
    assert upper == 1 or law.cdf(upper - 2) < LEVEL


@pytest.mark.parametrize(
    ("units", "level", "expected"),
    [(10, 0.5, (2, 9)), (20, 0.5, (6, 15)), (5, 0.5, (0, 6)), (6, 0.5, (1, 6)), (73, 0.95, (65, 73)), (4, 1.0, (4, 5))],
)
def test_ranks_as_in_the_tables(units, level, expected):
    assert ranks(units, level) == expected


def interval_of(make_row, samples, percentile):
    """`samples` has one row a message."""
    rows = [make_row(*map(float, message), client=client) for client, message in enumerate(samples)]
    return percentile_interval(rows, percentile)


@pytest.mark.slow
@pytest.mark.parametrize("units", [4, 8, 20])
@pytest.mark.parametrize("percentile", [50.0, 95.0])
def test_a_percentile_is_covered_as_often_as_promised(make_row, units, percentile):
    """Of one sample a message, of any law: here a skewed one that lies within the metric's bounds."""
    dice, truth = np.random.default_rng(units), float(stats.expon.ppf(percentile / 100))
    intervals = [interval_of(make_row, dice.exponential(size=(units, 1)), percentile) for _ in range(1000)]
    assert np.mean([one.low <= truth <= one.high for one in intervals]) >= 0.95 - 3 * 0.007


@pytest.mark.slow
@pytest.mark.parametrize("units", [4, 8, 20])
@pytest.mark.parametrize("percentile", [50.0, 95.0])
@pytest.mark.parametrize("own", [0.1, 1.0, 10.0])
def test_so_is_that_of_samples_that_go_together(make_row, units, percentile, own):
    """Samples of a message share a normal part; each has a part of its own, `own` times as large."""
    dice = np.random.default_rng(units)
    truth = 50 + math.hypot(1, own) * float(stats.norm.ppf(percentile / 100))
    samples = 50 + dice.normal(size=(500, units, 1)) + own * dice.normal(size=(500, units, 6))
    intervals = [interval_of(make_row, run, percentile) for run in samples]
    assert np.mean([one.low <= truth <= one.high for one in intervals]) >= 0.95 - 3 * 0.01


def test_of_one_sample_a_message_the_ends_are_samples(make_row):
    interval = interval_of(make_row, np.arange(20.0)[::-1, None], 50.0)
    assert (interval.low, interval.high) == (5.0, 14.0)  # the 6th and the 15th
    assert interval.method == "order statistics over 20 messages of one seed"


def test_beyond_the_outermost_sample_is_the_metric_s_bound(make_row):
    above = interval_of(make_row, [[float(value)] for value in range(8)], 95.0)
    assert (above.low, above.high) == (5.0, 100.0)
    assert above.method == "order statistics over 8 messages of one seed, open above to the metric's bound"
    both = interval_of(make_row, [[30.0]], 50.0)
    assert (both.low, both.high) == (0.0, 100.0)
    assert both.method == "order statistics over 1 message, open below and above to the metric's bounds"
    below = interval_of(make_row, [[30.0], [20.0]], 0.0)
    assert (below.low, below.high) == (0.0, 20.0)
    assert below.method.endswith("open below to the metric's bound")


def test_a_metric_that_is_not_installed_has_no_bounds(make_row):
    interval = percentile_interval([make_row(3.0, metric="from-elsewhere")], 50.0)
    assert (interval.low, interval.high) == (-math.inf, math.inf)


@pytest.mark.parametrize("percentile", [50.0, 90.0])
def test_copies_of_a_sample_make_nothing_surer(make_row, percentile):
    values = np.random.default_rng(1).normal(size=(12, 1)) + 50
    once = interval_of(make_row, values, percentile)
    copied = interval_of(make_row, np.repeat(values, 9, axis=1), percentile)
    assert copied.low <= once.low
    assert copied.high >= once.high


def test_from_five_seeds_on_seeds_are_the_units(make_row):
    rows = [make_row(float(seed + client), seed=seed, client=client) for seed in range(5) for client in range(3)]
    assert percentile_interval(rows, 50.0).method.startswith("order statistics over 5 seeds,")
    assert percentile_interval(rows[:12], 50.0).method == "order statistics over 12 messages of 4 seeds"


def test_messages_of_different_sizes_and_without_figures_are_fine(make_row):
    mixed = make_row(1.0, 2.0, math.nan, value=1.5)
    rows = [mixed, make_row(client=9), *(make_row(3.0, client=c) for c in range(1, 7))]
    interval = percentile_interval(rows, 50.0)
    assert 1 <= interval.low <= interval.high <= 3
    assert interval.method == "order statistics over 7 messages of one seed"


def test_without_samples_there_is_no_interval(make_row):
    interval = percentile_interval([make_row()], 50.0)
    assert math.isnan(interval.low)
    assert interval.method == "too few: 0 messages"


def test_the_tail_is_the_end_that_leaks_more():
    values = [float(value) for value in range(101)]
    assert (tail(values, higher_is_better=True), tail(values, higher_is_better=False)) == (95.0, 5.0)
    assert math.isnan(tail([], higher_is_better=True))
