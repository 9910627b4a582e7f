"""Intervals are those of scipy and of the published tables, and hold the truth as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedleak.statistics import intervals
from fedleak.statistics.intervals import (
    CLUSTERS,
    Units,
    bootstrap,
    clopper_pearson,
    counted,
    expanded_tail,
    of_mean,
    student,
)


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


@pytest.mark.parametrize("count", [6, 12, 40])
def test_the_bootstrap_is_scipy_s_at_the_expanded_level(count):
    values = np.random.default_rng(count).exponential(size=count)
    level = 1 - 2 * expanded_tail(count)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, confidence_level=level, method="percentile", rng=0
    ).confidence_interval
    ours = bootstrap(messages(values))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.05 * np.ptp(values))
    assert ours.method == f"bootstrap over {count} messages of one seed"


def test_the_expanded_level_is_the_plain_one_for_many_units_and_student_s_for_few():
    assert expanded_tail(100_000) == pytest.approx(0.025, abs=1e-4)
    reach = -stats.norm.ppf(expanded_tail(8)) * math.sqrt(7 / 8)
    assert reach == pytest.approx(stats.t.ppf(0.975, 7))


def test_the_same_units_have_the_same_interval():
    values = np.random.default_rng(1).normal(size=30)
    assert bootstrap(messages(values)) == bootstrap(messages(values))


def test_shifting_and_scaling_the_values_does_the_same_to_the_interval():
    values = np.random.default_rng(2).normal(size=9)
    one, other = bootstrap(messages(values)), bootstrap(messages(3 * values + 7))
    assert (other.low, other.high) == pytest.approx((3 * one.low + 7, 3 * one.high + 7))


def test_equal_values_have_an_interval_without_width():
    interval = bootstrap(messages([0.1] * 7))
    assert (interval.low, interval.high) == pytest.approx((0.1, 0.1), abs=1e-15)


@pytest.mark.parametrize(("values", "method"), [([], "too few: 0 messages"), ([1.0], "too few: 1 message")])
def test_one_unit_gives_no_interval(values, method):
    interval = bootstrap(messages(values))
    assert math.isnan(interval.low)
    assert interval.method == method


def test_many_units_are_drawn_in_blocks_and_agree_with_the_normal_law():
    values = np.random.default_rng(3).normal(size=20_000)
    interval = bootstrap(messages(values))
    error = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    assert (interval.low, interval.high) == pytest.approx(
        (values.mean() - error, values.mean() + error), abs=0.15 * error
    )


def held(interval_of, count, experiments=1000):
    """How often the interval of so many normal values holds their mean, 0."""
    generator = np.random.default_rng(4)
    intervals = [interval_of(messages(generator.normal(size=count))) for _ in range(experiments)]
    return float(np.mean([interval.low <= 0 <= interval.high for interval in intervals]))


@pytest.mark.slow
@pytest.mark.parametrize(("count", "share"), [(3, 0.75), (4, 0.87), (5, 0.92), (10, 0.945), (30, 0.95)])
def test_the_bootstrap_holds_the_mean_as_often_as_the_decision_says(count, share):
    assert held(bootstrap, count) == pytest.approx(share, abs=0.03)


@pytest.mark.slow
def test_the_plain_percentile_interval_would_hold_it_84_times_in_100_at_five(monkeypatch):
    monkeypatch.setattr(intervals, "expanded_tail", lambda _: intervals.TAIL)
    assert held(bootstrap, 5) == pytest.approx(0.84, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 4, 5, 10])
def test_the_interval_of_a_mean_is_student_s_where_the_bootstrap_would_hold_it_too_seldom(count):
    assert held(of_mean, count) >= (0.93 if count < CLUSTERS else 0.9)


def test_the_units_are_seeds_from_five_on():
    values, seeds = [1.0, 3.0, 5.0, 5.0, 6.0, 7.0], [0, 0, 1, 2, 3, 4]
    few = Units.of(values[:5], seeds[:5])
    assert (few.name, len(few), str(few)) == ("message", 5, "5 messages of 4 seeds")
    units = Units.of(values, seeds)
    assert (units.name, len(units), str(units)) == ("seed", CLUSTERS, "5 seeds")
    assert units.means.tolist() == [2.0, 5.0, 5.0, 6.0, 7.0]
    assert bootstrap(units).method == "bootstrap over 5 seeds"


def test_messages_of_a_seed_go_together():
    """Copies of a message tell nothing new: the interval over seeds is as wide as without them, over messages not."""
    once = np.random.default_rng(5).normal(size=6)
    copied = Units.of([float(v) for v in once for _ in range(50)], [seed for seed in range(6) for _ in range(50)])
    alone = bootstrap(Units.of([float(v) for v in once], list(range(6))))
    assert bootstrap(copied).high - bootstrap(copied).low == pytest.approx(alone.high - alone.low)


def test_a_seed_counts_by_its_messages():
    values, seeds = [0.0] * 90 + [1.0] * 10, [0] * 90 + [1, 2, 3, 4, 5] * 2
    interval = bootstrap(Units.of(values, seeds))
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


def test_the_mean_of_a_few_messages_has_student_s_interval():
    values = [20.0, 22.0, 19.0, 25.0]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    found = of_mean(Units.of(values, [1, 1, 2, 2]))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.method == "Student's t over 4 messages of 2 seeds"
    assert of_mean(Units.of([*values, 21.0], [1] * 5)).method == "bootstrap over 5 messages of one seed"
    assert math.isnan(of_mean(Units.of([20.0], [1])).low)
