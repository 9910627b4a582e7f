"""Intervals are those of scipy and of the published tables, and hold the truth as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedleak.statistics.intervals import (
    CLUSTERS,
    Units,
    at_most,
    clopper_pearson,
    counted,
    gaffke,
    of_mean,
    student,
    unseen,
)

SHARES = (0.0, 1.0)


def messages(values):
    return Units.of([float(value) for value in values], [0] * len(values))


@given(trials=st.integers(1, 400), share=st.floats(0, 1))
def test_clopper_pearson_is_scipy_s_exact_interval(trials, share):
    successes = round(trials * share)
    theirs = stats.binomtest(successes, trials).proportion_ci(0.95, "exact")
    ours = clopper_pearson(float(successes), trials, "these")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_clopper_pearson_is_the_rule_of_the_textbook_where_nothing_or_all_leaked():
    nothing, all_ = clopper_pearson(0.0, 10, "10 seeds"), clopper_pearson(10.0, 10, "10 seeds")
    assert (nothing.low, nothing.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert (all_.low, all_.high) == (pytest.approx(0.025 ** (1 / 10)), 1.0)
    assert nothing.method == "Clopper-Pearson over 10 seeds"


def test_no_trial_gives_no_interval():
    interval = clopper_pearson(0.0, 0, "0 messages")
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert interval.method == "too few: 0 messages"


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_the_upper_end_alone_is_scipy_s_one_sided_limit(hits):
    theirs = stats.binomtest(sum(hits), len(hits), alternative="less").proportion_ci(0.95, "exact")
    assert at_most(float(sum(hits)), len(hits), 0.05) == pytest.approx(theirs.high, abs=1e-9)


@pytest.mark.parametrize("hits", [(0, 10), (3, 10), (10, 10), (1, 2), (2, 40)])
def test_gaffke_s_bounds_of_hits_and_misses_are_clopper_and_pearson_s(hits):
    found, trials = hits
    exact = clopper_pearson(float(found), trials, "these")
    interval = gaffke(messages([1.0] * found + [0.0] * (trials - found)), SHARES)
    assert (interval.low, interval.high) == pytest.approx((exact.low, exact.high), abs=0.02)
    assert interval.method == f"Gaffke's bounds over {trials} messages of one seed"


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.1, 9), st.floats(-5, 5))
def test_gaffke_s_bounds_lie_within_the_values_and_move_with_them(values, scale, shift):
    one = gaffke(messages(values), SHARES)
    other = gaffke(messages([scale * value + shift for value in values]), (shift, scale + shift))
    assert 0 <= one.low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= one.high <= 1
    assert (other.low, other.high) == pytest.approx((scale * one.low + shift, scale * one.high + shift))


def test_gaffke_s_bounds_are_narrow_where_units_are_alike_and_many():
    values = np.random.default_rng(3).uniform(0.4, 0.6, size=3000)
    interval = gaffke(messages(values), SHARES)
    error = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    assert interval.high - interval.low < 8 * error
    assert interval == gaffke(messages(values), SHARES)


def test_equal_units_have_no_spread_and_so_the_interval_of_their_bounds_or_none():
    bounded, unbounded = of_mean(messages([20.0] * 5), (0.0, 100.0)), of_mean(messages([20.0] * 5))
    weight = 0.025 ** (1 / 5)
    assert (bounded.low, bounded.high) == pytest.approx((20 * weight, 100 - 80 * weight), abs=2)
    assert math.isnan(unbounded.low)
    assert unbounded.method == "no spread: 5 messages of one seed that are all equal"
    assert math.isnan(of_mean(messages([0.1] * 7)).low)


@pytest.mark.parametrize(("values", "method"), [([], "too few: 0 messages"), ([1.0], "too few: 1 message")])
def test_one_unit_gives_no_interval(values, method):
    for interval in (of_mean(messages(values)), student(messages(values))):
        assert math.isnan(interval.low)
        assert interval.method == method


def held(interval_of, samples, truth):
    """How often the interval of a row of samples holds the truth."""
    found = [interval_of(messages(row)) for row in samples]
    return float(np.mean([one.low <= truth <= one.high for one in found]))


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 5, 10, 30])
def test_means_and_shares_are_held_as_often_as_is_said(count):
    """Four standard errors of 400 runs are .044; `benchmarks/coverage.py` is sharper."""
    dice = np.random.default_rng(count)
    leaking = 1.0 * (dice.random(size=(400, count)) < 0.1)
    assert held(of_mean, dice.normal(size=(400, count)), 0.0) >= 0.95 - 0.044
    assert held(lambda units: gaffke(units, SHARES), leaking, 0.1) >= 0.95 - 0.044
    assert held(lambda units: gaffke(units, SHARES), dice.beta(0.3, 2.7, size=(400, count)), 0.1) >= 0.95 - 0.044


def test_what_none_of_the_units_has_may_come_as_often_as_is_said():
    assert unseen(59) == pytest.approx(0.05, abs=1e-3)
    assert (1 - unseen(5)) ** 5 == pytest.approx(0.05)
    assert unseen(0) == pytest.approx(0.95)


def test_the_units_are_seeds_from_five_on():
    values, seeds = [1.0, 3.0, 5.0, 5.0, 6.0, 7.0], [0, 0, 1, 2, 3, 4]
    few = Units.of(values[:5], seeds[:5])
    assert (few.name, len(few), str(few)) == ("message", 5, "5 messages of 4 seeds")
    units = Units.of(values, seeds)
    assert (units.name, len(units), str(units)) == ("seed", CLUSTERS, "5 seeds")
    assert units.means.tolist() == [2.0, 5.0, 5.0, 6.0, 7.0]
    assert Units.of(values[:5], seeds[:5], clusters=1).name == "seed"


def test_messages_of_a_seed_go_together():
    """Copies of a message tell nothing new: the interval over seeds is as wide as without them, over messages not."""
    once = np.random.default_rng(5).normal(size=6)
    copied = Units.of([float(v) for v in once for _ in range(50)], [seed for seed in range(6) for _ in range(50)])
    alone = of_mean(Units.of([float(v) for v in once], list(range(6))))
    assert of_mean(copied).high - of_mean(copied).low == pytest.approx(alone.high - alone.low)


def test_a_seed_counts_by_its_messages():
    values, seeds = [0.0] * 90 + [1.0] * 10, [0] * 90 + [1, 2, 3, 4, 5] * 2
    interval = student(Units.of(values, seeds))
    assert interval.low < 0.1 < interval.high


def test_a_message_counts_by_its_size_where_it_has_one():
    """As in a ratio of two sums: of equal sizes Student's interval of the means, else around the ratio."""
    equal = student(Units.of([2.0, 6.0, 4.0], [0, 0, 0], [4, 4, 4]))
    alone = student(Units.of([0.5, 1.5, 1.0], [0, 0, 0]))
    assert (equal.low, equal.high) == (pytest.approx(alone.low), pytest.approx(alone.high))
    unequal = student(Units.of([90.0, 0.0, 1.0], [0, 0, 0], [100, 10, 10]))
    assert (unequal.low + unequal.high) / 2 == pytest.approx(91 / 120)


def test_a_seed_may_be_any_whole_number():
    assert len(Units.of([1.0] * 5, [-1, 2**70, 3, 4, 2**63])) == 5


def test_counted_words():
    assert [counted(n, "seed") for n in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]


def test_a_mean_has_student_s_interval_within_its_bounds_which_says_what_it_assumes():
    values = [20.0, 22.0, 19.0, 25.0]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    found = of_mean(Units.of(values, [1, 1, 2, 2]))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.method == (
        "Student's t over 4 messages of 2 seeds, as if normal: a value rarer than 53% may be missing"
    )
    within = of_mean(Units.of(values, [1, 1, 2, 2]), (20.0, 25.0))
    assert (within.low, within.high) == (20.0, 25.0)
    assert math.isnan(of_mean(Units.of([20.0], [1])).low)
