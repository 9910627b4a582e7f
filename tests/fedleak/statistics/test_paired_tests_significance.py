"""Many p-values are read together as Holm says; sign and sign-flip tests are scipy's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedleak.statistics.intervals import Units
from fedleak.statistics.paired_tests import holm, least_p_value, sign_flip_test, sign_test


def messages(values):
    return Units.of([float(value) for value in values], [0] * len(values))


@given(st.lists(st.floats(-50, 50).map(lambda value: round(value, 2)), min_size=2, max_size=9))
def test_signs_are_tested_as_scipy_does(differences):
    signs = [math.copysign(1, value) for value in differences if value]
    theirs = stats.binomtest(signs.count(1.0), len(signs)).pvalue if signs else 1.0
    assert sign_test(messages(differences)) == pytest.approx(theirs)


# Eighths, whose sums are exact: of sums that are equal but for rounding scipy and we may each call another the greater.
@given(st.lists(st.integers(-400, 400).map(lambda value: value / 8), min_size=2, max_size=8))
def test_sign_flips_are_tested_as_scipy_does(differences):
    theirs = stats.permutation_test(
        (np.array(differences),), np.mean, permutation_type="samples", vectorized=True, n_resamples=np.inf
    ).pvalue
    assert sign_flip_test(messages(differences)) == pytest.approx(theirs)


@pytest.mark.parametrize(("count", "p_value"), [(2, 1 / 2), (3, 1 / 4), (6, 1 / 32), (14, 2**-13), (30, 2**-13)])
def test_equal_differences_have_the_least_p_value_that_there_is(count, p_value):
    assert sign_flip_test(messages([2.0] * count)) == least_p_value(count) == p_value
    assert sign_flip_test(messages([0.0] * count)) == 1.0


def test_one_difference_is_no_test():
    assert math.isnan(sign_flip_test(messages([1.0])))
    assert math.isnan(least_p_value(1))


@pytest.mark.slow
def test_of_many_units_some_flips_say_about_what_all_say():
    differences = np.random.default_rng(5).normal(0.5, 1.0, size=16)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", vectorized=True, n_resamples=np.inf
    ).pvalue
    assert sign_flip_test(messages(differences)) == pytest.approx(theirs, abs=0.01)


@pytest.mark.parametrize("count", [3, 5, 8, 20])
def test_where_nothing_differs_no_test_finds_a_difference_too_often(count):
    """400 runs on each kind of data: three standard errors of .05 are .033."""
    dice = np.random.default_rng(count)
    for pairs in (dice.normal(size=(400, 2, count)), dice.lognormal(size=(400, 2, count)),
                  30.0 * (dice.random(size=(400, 2, count)) < 0.1)):  # fmt: skip
        runs = [messages(one - other) for one, other in pairs]
        assert np.mean([sign_flip_test(units) <= 0.05 for units in runs]) <= 0.05 + 0.033
        assert np.mean([sign_test(units) <= 0.05 for units in runs]) <= 0.05 + 0.033


def test_holm_as_computed_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_test_that_could_not_be_made_does_not_count():
    assert holm([0.02, math.nan, 0.03]) == pytest.approx([0.04, math.nan, 0.04], nan_ok=True)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(p_values):
    corrected = holm(p_values)
    for p, c in zip(p_values, corrected, strict=True):
        assert p <= c <= min(1, p * len(p_values)) or c == pytest.approx(p)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
