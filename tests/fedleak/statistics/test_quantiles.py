"""A percentile's interval covers what it should, and knows that samples of one message go together."""

import numpy as np
import pytest

from fedleak.statistics.quantiles import _percentiles, percentile_interval


@pytest.mark.parametrize("percentile", [0.0, 12.5, 50.0, 95.0, 100.0])
def test_percentiles_are_those_of_numpy(percentile):
    values = np.random.default_rng(0).normal(size=(7, 9))
    values[2, 4:] = np.nan
    expected = np.nanpercentile(values, percentile, axis=1)
    assert _percentiles(values, percentile) == pytest.approx(expected)


def test_the_median_of_many_messages_is_covered_about_as_often_as_promised(make_row):
    """Of 200 experiments with 20 messages of a normal law, 95% +- three standard errors hold its median, 0."""
    dice = np.random.default_rng(3)
    intervals = [
        percentile_interval([make_row(float(v), client=c) for c, v in enumerate(dice.normal(size=20))], 50.0)
        for _ in range(200)
    ]
    covered = sum(interval.low <= 0 <= interval.high for interval in intervals)
    assert 190 - 3 * 3.1 <= covered <= 200
    assert intervals[0].method == "bootstrap over 20 messages"


def test_copies_of_a_sample_make_nothing_surer(make_row):
    values = [float(value) for value in np.random.default_rng(1).normal(size=8)]
    once = percentile_interval([make_row(value, client=c) for c, value in enumerate(values)], 50.0)
    copied = percentile_interval([make_row(*[value] * 9, client=c) for c, value in enumerate(values)], 50.0)
    assert copied.high - copied.low >= once.high - once.low


def test_from_five_seeds_on_seeds_are_the_units(make_row):
    rows = [make_row(float(seed + client), seed=seed, client=client) for seed in range(5) for client in range(3)]
    assert percentile_interval(rows, 50.0).method == "bootstrap over 5 seeds"
    assert percentile_interval(rows[:12], 50.0).method == "bootstrap over 12 messages"


def test_messages_of_different_sizes_and_without_figures_are_fine(make_row):
    rows = [make_row(1.0, 2.0, float("nan")), make_row(client=9), *(make_row(3.0, client=c) for c in range(1, 5))]
    interval = percentile_interval(rows, 90.0)
    assert 1 <= interval.low <= interval.high <= 3
    assert interval.method == "bootstrap over 5 messages"


def test_fewer_than_five_messages_are_too_few(make_row):
    interval = percentile_interval([make_row(1.0, 2.0, client=client) for client in range(4)], 50.0)
    assert np.isnan(interval.low)
    assert interval.method == "too few: 4 messages"


def test_the_same_rows_have_the_same_interval(make_row):
    rows = [make_row(float(client), client=client) for client in range(6)]
    assert percentile_interval(rows, 75.0) == percentile_interval(rows, 75.0)
