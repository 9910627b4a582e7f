"""Many p-values are read together as Holm says; a sign test is scipy's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedleak.statistics.intervals import Units
from fedleak.statistics.paired_tests import holm, paired_t_test, sign_test


def messages(values):
    return Units.of([float(value) for value in values], [0] * len(values))


@given(st.lists(st.floats(-50, 50).map(lambda value: round(value, 2)), min_size=2, max_size=9))
def test_signs_are_tested_as_scipy_does(differences):
    signs = [math.copysign(1, value) for value in differences if value]
    theirs = stats.binomtest(signs.count(1.0), len(signs)).pvalue if signs else 1.0
    assert sign_test(messages(differences)) == pytest.approx(theirs)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_equal_differences_have_the_p_value_of_all_sign_flips(count):
    theirs = stats.permutation_test(
        (np.full(count, 2.0),), np.mean, permutation_type="samples", vectorized=True, n_resamples=np.inf
    ).pvalue
    assert paired_t_test(messages([2.0] * count), 2.0) == pytest.approx(theirs)


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
