"""Laws of accounting over many releases; dp-accounting and Opacus say the same, and nobody says more."""

import math
import random
import warnings

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, NeighboringRelation, PoissonSampledDpEvent, SampledWithoutReplacementDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus.accountants import PRVAccountant

from fedleak.accounting.composition import (
    ORDERS,
    Releases,
    composed_epsilon,
    mu_of,
    noise_factor_for,
    sampled_epsilon,
)
from fedleak.accounting.sampling import Poisson, Sample

POPULATION = 1000


def releases(noise: float, size: int = POPULATION, count: int = 1) -> tuple[Releases, ...]:
    sample = Sample(size=size, population=POPULATION) if size < POPULATION else None
    return (Releases(noise_multiplier=noise, sample=sample, count=count),)


def attained(delta: float, noise: float, size: int, count: int) -> float:
    """A neighbor that this epsilon tells apart, so that no valid one is below it.

    All contributions are `-C` but for one that is `C` in one case: of a sample of fixed size the sums are a mixture of
    two normal distributions `2 C` apart, which the tight accountant of Poisson sampling knows.
    """
    event = PoissonSampledDpEvent(size / POPULATION, GaussianDpEvent(noise))
    return float(PLDAccountant(value_discretization_interval=1e-3).compose(event, count).get_epsilon(delta))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_never_below_what_accountants_say_of_the_same_sampler(seed: int) -> None:
    draw = random.Random(seed)
    noise, size, count = draw.uniform(0.8, 4), draw.choice([1, 10, 50, 200]), draw.randint(1, 10)
    delta = 10 ** -draw.uniform(3, 7)
    ours = composed_epsilon(releases(noise, size, count), delta)
    assert ours >= attained(delta, noise, size, count) * (1 - 1e-3)
    # The accountant of privacy losses takes noise as a multiple of a contribution, half the sensitivity.
    accountant = PLDAccountant(NeighboringRelation.REPLACE_ONE, value_discretization_interval=1e-3)
    tight = accountant.compose(GaussianDpEvent(2 * noise), count).get_epsilon(delta)
    assert composed_epsilon(releases(noise, count=count), delta) == pytest.approx(tight, rel=1e-5)


def test_the_credit_for_samples_is_that_of_dp_accounting_at_its_own_orders() -> None:
    event = SampledWithoutReplacementDpEvent(POPULATION, 50, GaussianDpEvent(1.5))
    theirs = RdpAccountant(neighboring_relation=NeighboringRelation.REPLACE_ONE).compose(event, 100).get_epsilon(1e-5)
    assert sampled_epsilon(releases(1.5, 50, 100), 1e-5) == pytest.approx(theirs, rel=1e-6)


def test_credit_for_samples_never_costs() -> None:
    """At little noise the bound with credit is above the exact figure without, which then counts."""
    assert composed_epsilon(releases(0.2, 900, 3), 1e-5) == composed_epsilon(releases(0.2, count=3), 1e-5)
    assert composed_epsilon(releases(1.5, 50, 3), 1e-5) < composed_epsilon(releases(1.5, count=3), 1e-5)


@pytest.mark.parametrize(("noise", "count"), [(2.0, 1), (5.0, 10), (0.5, 3)])
def test_without_sampling_it_is_the_exact_gaussian_mechanism(noise: float, count: int) -> None:
    exact, accountant = composed_epsilon(releases(noise, count=count), 1e-5), PRVAccountant()
    accountant.history = [(noise, 1.0, count)]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimal order is the", UserWarning)
        assert exact == pytest.approx(accountant.get_epsilon(1e-5, eps_error=0.005 * exact), rel=0.01)


def test_parts_of_several_kinds_compose() -> None:
    sampled, plain = releases(1.0, 50, 20), releases(3.0, count=4)
    one, other = composed_epsilon(sampled, 1e-5), composed_epsilon(plain, 1e-5)
    assert max(one, other) < composed_epsilon(sampled + plain, 1e-5) < one + other
    halves = releases(1.0, 20, 15) * 2
    assert composed_epsilon(halves, 1e-5) == pytest.approx(composed_epsilon(releases(1.0, 20, 30), 1e-5))
    assert mu_of(releases(2.0, count=3) + releases(1.0, count=2)) == pytest.approx(math.sqrt(3 / 4 + 2))


@pytest.mark.slow
def test_smaller_samples_and_more_noise_cost_less() -> None:
    usual = composed_epsilon(releases(1.0, 10, 100), 1e-5)
    assert composed_epsilon(releases(1.0, 5, 100), 1e-5) < usual
    assert composed_epsilon(releases(1.5, 10, 100), 1e-5) < usual
    assert usual < composed_epsilon(releases(1.0, 10, 200), 1e-5)
    assert composed_epsilon(releases(0.0, 10, 100), 1e-5) == math.inf


@pytest.mark.parametrize("noise", [1e-5, 0.004, 0.006, 0.05, 100.0, 1e4])
def test_it_answers_at_any_noise(noise: float) -> None:
    known = composed_epsilon(releases(noise, count=10), 1e-5)
    assert 0 <= composed_epsilon(releases(noise, 50, 10), 1e-5) <= known


@pytest.mark.slow
@pytest.mark.parametrize(
    ("epsilon", "parts"),
    [
        (1.0, releases(1.0, 10, 500)),
        (8.0, releases(1.0, 50, 200) + releases(1.0, 300, 4)),
        (60.0, releases(1.0, 500, 10)),
        (8.0, releases(1.0) + releases(0.5, count=20)),
        (8.0, releases(1.0, 1)),
        (3.0, (Releases(noise_multiplier=1.0, sample=Poisson(rate=0.05), count=50),)),
    ],
)
def test_the_noise_for_an_epsilon_is_enough_and_hardly_more(epsilon: float, parts: tuple[Releases, ...]) -> None:
    def at(factor: float) -> float:
        noisier = [
            Releases(noise_multiplier=factor * one.noise_multiplier, sample=one.sample, count=one.count)
            for one in parts
        ]
        return composed_epsilon(tuple(noisier), 1e-5)

    factor = noise_factor_for(epsilon, 1e-5, parts)
    assert 0.99 * epsilon < at(factor) <= epsilon * (1 + 1e-9)
    assert at(0.99 * factor) > epsilon
    assert noise_factor_for(math.inf, 1e-5, parts) == 0.0


def poisson(noise: float, rate: float, count: int) -> tuple[Releases, ...]:
    return (Releases(noise_multiplier=noise, sample=Poisson(rate=rate), count=count),)


@pytest.mark.slow
@given(st.floats(0.3, 5), st.floats(1e-3, 1), st.integers(1, 50), st.floats(1e-7, 1e-3))
@settings(max_examples=8, deadline=None)
def test_poisson_samples_are_never_below_what_dp_accounting_says_under_add_or_remove(
    noise: float, rate: float, count: int, delta: float
) -> None:
    ours = composed_epsilon(poisson(noise, rate, count), delta)
    event = PoissonSampledDpEvent(rate, GaussianDpEvent(noise))
    moments = RdpAccountant(ORDERS, NeighboringRelation.ADD_OR_REMOVE_ONE).compose(event, count).get_epsilon(delta)
    assert ours <= moments * (1 + 1e-9)
    if moments < 40:
        coarse = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=1e-3)
        tight = float(coarse.compose(event, count).get_epsilon(delta))
        # That one's grid may put it above the exact figure.
        assert ours >= tight - count**0.5 * 1e-3


def test_poisson_samples_are_what_opacus_says_of_them() -> None:
    ours, accountant = composed_epsilon(poisson(1.1, 0.05, 100), 1e-5), PRVAccountant()
    accountant.history = [(1.1, 0.05, 100)]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimal order is the", UserWarning)
        assert ours == pytest.approx(accountant.get_epsilon(1e-5, eps_error=0.005), rel=0.01)


def test_a_poisson_rate_of_one_and_next_to_no_noise_earn_nothing() -> None:
    assert composed_epsilon(poisson(1.5, 1.0, 3), 1e-5) == composed_epsilon(releases(1.5, count=3), 1e-5)
    assert composed_epsilon(poisson(0.04, 0.01, 1), 1e-5) == composed_epsilon(releases(0.04), 1e-5)
