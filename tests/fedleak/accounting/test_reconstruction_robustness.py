"""Laws of the bounds on reconstruction."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.accounting.gaussian import delta_of
from fedleak.analysis.bounds import gaussian_success
from fedleak.randomness import generator

GRID = (0.0, *(10 ** (power / 40) for power in range(-120, 114)))
"""Epsilons at which a privacy profile is asked."""
priors = st.floats(1e-6, 0.999)
shifts = st.floats(0, 12)


def profile_success(prior: float, delta: Callable[[float], float]) -> float:
    """The least `exp(epsilon) prior + delta(epsilon)`: the bound of Balle et al. 2022 for any mechanism, an oracle."""
    return min(1.0, *(math.exp(epsilon) * prior + delta(epsilon) for epsilon in GRID))


@given(priors)
def test_no_information_leaves_the_prior(prior: float) -> None:
    assert gaussian_success(prior, 0.0) == pytest.approx(prior)


@given(priors, shifts)
def test_bounds_grow_with_the_prior_and_with_what_is_released(prior: float, shift: float) -> None:
    assert gaussian_success(prior, shift) <= gaussian_success(prior, shift + 0.1) <= 1
    assert gaussian_success(0.9 * prior, shift) <= gaussian_success(prior, shift)


@given(priors, st.floats(0.05, 6))
def test_the_bound_by_the_privacy_profile_is_nowhere_below_the_exact_one(prior: float, shift: float) -> None:
    by_profile = profile_success(prior, lambda epsilon: delta_of(epsilon, shift))
    assert gaussian_success(prior, shift) <= by_profile + 1e-12


def test_at_its_best_epsilon_the_profile_gives_the_exact_bound() -> None:
    assert profile_success(0.01, lambda epsilon: delta_of(epsilon, 2.0)) == pytest.approx(
        gaussian_success(0.01, 2.0), rel=0.01
    )


def test_extremes() -> None:
    assert gaussian_success(0.0, 3.0) == 0.0
    assert gaussian_success(0.1, math.inf) == 1.0
    assert gaussian_success(1.0, 0.5) == 1.0


def test_the_best_attacker_on_two_secrets_stays_below_and_the_bound_is_not_far_above() -> None:
    """The secret is one of two updates of length 1; the best guess is the nearer one."""
    secrets = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    rng, noise, trials = generator("two secrets"), 1.5, 20_000
    truth = torch.randint(2, (trials,), generator=rng)
    seen = secrets[truth] + noise * torch.randn(trials, 2, generator=rng)
    success = float((torch.cdist(seen, secrets).argmin(1) == truth).float().mean())
    bound = gaussian_success(0.5, 1 / noise)
    assert success <= bound + 0.01
    assert success == pytest.approx(bound, abs=0.01)  # it is tight
