import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from fedleak.accounting.gaussian import epsilon_of
from fedleak.dp_audit.bounds import Errors, greatest_rate, least_epsilon, least_mu, least_rate

TRIALS, DELTA = 2_000, 1e-5


def thresholded(mu: float, rng: np.random.Generator, trials: int = TRIALS) -> Errors:
    """A threshold fixed beforehand on N(±mu/2, 1)."""
    present, absent = rng.normal(mu / 2, 1, trials), rng.normal(-mu / 2, 1, trials)
    return Errors(
        hits=int((present > 0.3).sum()), positives=trials, false_alarms=int((absent > 0.3).sum()), negatives=trials
    )


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (450, 1000)])
def test_rates_are_scipys_one_sided_intervals(successes: int, trials: int) -> None:
    greater = binomtest(successes, trials, alternative="greater").proportion_ci(0.975)
    less = binomtest(successes, trials, alternative="less").proportion_ci(0.975)
    assert least_rate(successes, trials, 0.975) == pytest.approx(greater.low)
    assert greatest_rate(successes, trials, 0.975) == pytest.approx(less.high)


@pytest.mark.parametrize("mu", [0.27, 1.0, 2.5])
def test_bounds_are_below_what_is_true_as_often_as_they_say(mu: float) -> None:
    rng, true = np.random.default_rng(1), epsilon_of(DELTA, mu)
    found = [thresholded(mu, rng) for _ in range(400)]
    assert np.mean([least_mu(one, 0.95) <= mu for one in found]) > 0.93
    assert all(least_epsilon(one, DELTA, 0.95) <= true for one in found)


def test_many_trials_of_a_normal_mechanism_show_all_of_its_mu() -> None:
    assert least_mu(thresholded(1.9, np.random.default_rng(2), 400_000), 0.95) == pytest.approx(1.9, rel=0.02)


def test_randomized_response_shows_all_of_its_epsilon() -> None:
    rate = math.exp(2) / (1 + math.exp(2))
    hits = round(rate * 100_000)
    errors = Errors(hits=hits, positives=100_000, false_alarms=100_000 - hits, negatives=100_000)
    assert 1.95 < least_epsilon(errors, 0.0, 0.95) < 2.0


def test_more_confidence_shows_less_and_chance_shows_nothing() -> None:
    errors = thresholded(2.0, np.random.default_rng(3))
    levels = [0.8, 0.95, 0.99, 0.9999]
    for bound in (lambda level: least_epsilon(errors, DELTA, level), lambda level: least_mu(errors, level)):
        shown = [bound(level) for level in levels]
        assert shown == sorted(shown, reverse=True)
    even = Errors(hits=500, positives=1000, false_alarms=500, negatives=1000)
    assert least_epsilon(even, DELTA, 0.95) == least_mu(even, 0.95) == 0


def test_the_opposite_test_about_the_opposite_shows_the_same() -> None:
    errors = Errors(hits=997, positives=1000, false_alarms=700, negatives=1000)
    assert least_epsilon(errors, DELTA, 0.95) == pytest.approx(least_epsilon(errors.turned, DELTA, 0.95))
    assert least_mu(errors, 0.95) == pytest.approx(least_mu(errors.turned, 0.95))
    assert norm.ppf(0.997) - norm.ppf(0.7) > least_mu(errors, 0.95)


def test_errors_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="no more hits"):
        Errors(hits=2, positives=1, false_alarms=0, negatives=1)
