import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from fedleak.accounting.gaussian import epsilon_of
from fedleak.dp_audit.normal_scores import (
    Normal,
    epsilon_between,
    estimated_mu,
    least_mu,
    one_shot_epsilon,
    releases_for,
)

DELTA = 1e-5


@pytest.mark.parametrize(("mu", "count"), [(0.27, 2_000), (1.9, 2_000), (1.0, 12), (30.0, 100)])
def test_the_interval_holds_the_truth_as_often_as_it_says(mu: float, count: int) -> None:
    rng = np.random.default_rng(1)
    found = [estimated_mu(rng.normal(mu / 2, 1, count), 0.95) for _ in range(200)]
    inside = sum(one.low <= mu <= one.high for one in found)
    assert 180 <= inside <= 199


def test_the_interval_of_few_scores_goes_over_into_that_of_many() -> None:
    scores = np.random.default_rng(2).normal(1.0, 1.0, 301)
    many = estimated_mu(scores, 0.95)
    few = estimated_mu(scores[:300], 0.95)
    assert few.low == pytest.approx(many.low, abs=0.02)
    assert few.high == pytest.approx(many.high, abs=0.02)


def test_mu_does_not_go_by_the_unit_and_a_bound_is_below_the_estimate() -> None:
    scores = np.random.default_rng(3).normal(0.4, 1, 500)
    found = estimated_mu(scores, 0.95)
    assert estimated_mu(1e-4 * scores, 0.95).value == pytest.approx(found.value)
    assert least_mu(scores, 0.99) < least_mu(scores, 0.95) < found.value
    assert least_mu(scores, 0.975) == pytest.approx(found.low)


def test_scores_without_noise_are_infinitely_far_apart_and_none_are_not_apart() -> None:
    assert estimated_mu(np.full(10, 0.5), 0.95).low == math.inf
    assert estimated_mu(np.zeros(10), 0.95).value == 0
    assert estimated_mu(np.random.default_rng(4).normal(-1, 1, 100), 0.95).value == 0


def test_as_many_releases_as_are_said_make_the_error_asked_for() -> None:
    rng, mu = np.random.default_rng(5), 0.5
    count = releases_for(mu, 0.1)
    found = [estimated_mu(rng.normal(mu / 2, 1, count), 0.95).value for _ in range(300)]
    assert np.std(found) / mu == pytest.approx(0.1, rel=0.15)


def test_epsilon_of_equal_spreads_is_that_of_the_gaussian_mechanism() -> None:
    for mu in (0.1, 1.0, 4.0):
        one, other = Normal(mean=mu, std=1.0), Normal(mean=0.0, std=1.0)
        assert epsilon_between(one, other, DELTA) == pytest.approx(epsilon_of(DELTA, mu), rel=1e-6)
        wider = Normal(mean=mu, std=1.0 + 1e-7)
        assert epsilon_between(wider, other, DELTA) == pytest.approx(epsilon_of(DELTA, mu), rel=1e-3)


@pytest.mark.parametrize(("mean", "std"), [(1.0, 1.3), (1.0, 0.7), (0.0, 1.5), (-2.0, 1.1)])
def test_at_the_epsilon_of_unequal_spreads_an_integral_is_delta(mean: float, std: float) -> None:
    one, other = Normal(mean=mean, std=std), Normal(mean=0.0, std=1.0)
    epsilon = epsilon_between(one, other, 1e-3)

    def stick(p: Normal, q: Normal) -> float:
        def height(x: float) -> float:
            return max(float(norm.pdf(x, p.mean, p.std) - math.exp(epsilon) * norm.pdf(x, q.mean, q.std)), 0.0)

        return quad(height, -25, 25, limit=500, points=[-5, 0, 5])[0]

    assert max(stick(one, other), stick(other, one)) == pytest.approx(1e-3, rel=1e-3)


def test_one_shot_finds_the_epsilon_of_a_sum_that_canaries_are_in() -> None:
    rng, dimension, canaries, noise = np.random.default_rng(6), 20_000, 400, 2.0
    directions = rng.normal(size=(canaries, dimension))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    seen = directions.sum(0) + noise * rng.normal(size=dimension)
    cosines = directions @ seen / np.linalg.norm(seen)
    assert one_shot_epsilon(cosines, dimension, DELTA) == pytest.approx(epsilon_of(DELTA, 1 / noise), rel=0.3)
    assert one_shot_epsilon(rng.normal(0, dimension**-0.5, canaries), dimension, DELTA) < 2
