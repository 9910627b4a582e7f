"""Shapiro's and Wilk's W is SciPy's, whatever the sample, and wherever it lies."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import shapiro

from fedleak.defenses.parts.shapiro_wilk import shapiro_wilk


@pytest.mark.parametrize("count", [6, 7, 101, 1000, 5000])
@pytest.mark.parametrize("kind", ["normal", "exponential", "random"])
def test_it_is_scipy_s(count, kind):
    values = np.sort(getattr(np.random.default_rng(count), kind)(size=count))
    assert shapiro_wilk(values) == pytest.approx(shapiro(values).statistic, abs=1e-8)


def test_it_is_the_same_for_a_shifted_and_stretched_sample():
    values = np.sort(np.random.default_rng(0).exponential(size=200))
    assert shapiro_wilk(1e6 + 1e-3 * values) == pytest.approx(shapiro_wilk(values), abs=1e-6)


def test_expected_values_of_a_normal_distribution_look_normal():
    assert shapiro_wilk(ndtri((np.arange(1, 501) - 0.375) / 500.25)) == pytest.approx(1, abs=1e-3)
