import numpy as np
import pytest
from scipy.stats import binom

from fedleak.accounting.gaussian import epsilon_of
from fedleak.dp_audit.one_run import Guesses, least_epsilon, least_mu, least_normal_epsilon, p_value

DELTA = 1e-5


def guessed(mu: float, canaries: int, guesses: int, rng: np.random.Generator) -> Guesses:
    """The coins that an attacker is surest of, of scores N(±mu/2, 1)."""
    coins = rng.choice([-1, 1], canaries)
    scores = coins * mu / 2 + rng.normal(0, 1, canaries)
    surest = np.argsort(-np.abs(scores))[:guesses]
    return Guesses(canaries=canaries, guesses=guesses, correct=int((np.sign(scores) == coins)[surest].sum()))


def test_without_delta_the_p_value_is_the_binomial_tail() -> None:
    found = Guesses(canaries=100, guesses=60, correct=45)
    assert p_value(found, 1.0, 0.0) == pytest.approx(binom.sf(44, 60, 1 / (1 + np.exp(-1.0))))


def test_the_p_value_is_that_of_the_theorem_written_out() -> None:
    found, epsilon, delta = Guesses(canaries=100, guesses=60, correct=50), 1.0, 1e-3
    chances = [binom.pmf(k, 60, 1 / (1 + np.exp(-epsilon))) for k in range(61)]
    share = max(sum(chances[50 - i : 50]) / i for i in range(1, 51))
    assert p_value(found, epsilon, delta) == pytest.approx(sum(chances[50:]) + 2 * 100 * delta * share)


def test_bounds_grow_with_what_is_guessed_and_shrink_with_confidence() -> None:
    for bound in (lambda found, level: least_epsilon(found, DELTA, level), least_mu):
        shown = [bound(Guesses(canaries=500, guesses=200, correct=correct), 0.95) for correct in (100, 150, 180, 200)]
        assert shown[0] == 0
        assert shown == sorted(shown)
        surer = bound(Guesses(canaries=500, guesses=200, correct=180), 0.99)
        assert 0 < surer < shown[2]


@pytest.mark.parametrize("mu", [0.5, 2.0])
def test_bounds_are_below_what_is_true_as_often_as_they_say(mu: float) -> None:
    rng = np.random.default_rng(1)
    found = [guessed(mu, 400, 100, rng) for _ in range(60)]
    assert np.mean([least_mu(one, 0.95) <= mu for one in found]) > 0.93
    assert all(least_epsilon(one, DELTA, 0.95) <= epsilon_of(DELTA, mu) for one in found)


def test_knowing_that_noise_is_normal_shows_more() -> None:
    found = guessed(2.0, 2000, 300, np.random.default_rng(2))
    assert least_epsilon(found, DELTA, 0.95) < least_normal_epsilon(found, DELTA, 0.95) < epsilon_of(DELTA, 2.0)


def test_guesses_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="correct <= guesses"):
        Guesses(canaries=10, guesses=5, correct=6)
