"""Laws of accounting over many releases; dp-accounting and Opacus say the same."""

import math
import warnings

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from opacus.accountants import PRVAccountant
from opacus.accountants.analysis.rdp import compute_rdp

from fedleak.accounting.composition import Releases, composed_epsilon, mu_of, noise_factor_for, renyi_epsilon


def releases(noise: float, rate: float = 1.0, count: int = 1) -> tuple[Releases, ...]:
    return (Releases(noise_multiplier=noise, sampling_rate=rate, count=count),)


def of_opacus(delta: float, parts: tuple[Releases, ...]) -> float:
    """It has more memory to fill the finer it is; half a percent does."""
    accountant = PRVAccountant()
    accountant.history = [(one.noise_multiplier, one.sampling_rate, one.count) for one in parts]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimal order is the", UserWarning)
        return float(accountant.get_epsilon(delta, eps_error=0.005 * composed_epsilon(parts, delta)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noise", "rate", "count", "delta"),
    [
        (1.0, 0.01, 1000, 1e-5),
        (1.1, 256 / 60000, 14062, 1e-5),
        (0.8, 0.05, 200, 1e-5),
        (4.0, 0.1, 500, 1e-6),
        (0.6, 0.001, 5_000, 1e-6),
    ],
)
def test_dp_accounting_at_its_finest_and_opacus_agree(noise: float, rate: float, count: int, delta: float) -> None:
    ours = composed_epsilon(releases(noise, rate, count), delta)
    event = PoissonSampledDpEvent(rate, GaussianDpEvent(noise))
    assert ours == pytest.approx(PLDAccountant().compose(event, count).get_epsilon(delta), rel=0.01)
    assert ours == pytest.approx(of_opacus(delta, releases(noise, rate, count)), rel=0.01)
    assert ours < renyi_epsilon(releases(noise, rate, count), delta)


def test_the_loose_bound_is_that_of_dp_accounting_and_of_opacus() -> None:
    ours = renyi_epsilon(releases(1.1, 0.01, 1000), 1e-5)
    event = PoissonSampledDpEvent(0.01, GaussianDpEvent(1.1))
    assert ours == pytest.approx(RdpAccountant().compose(event, 1000).get_epsilon(1e-5), rel=0.01)


@pytest.mark.parametrize(("noise", "count"), [(2.0, 1), (5.0, 10), (0.5, 3)])
def test_without_sampling_it_is_the_exact_gaussian_mechanism(noise: float, count: int) -> None:
    exact = composed_epsilon(releases(noise, count=count), 1e-5)
    assert exact == pytest.approx(composed_epsilon(releases(noise, rate=1 - 1e-9, count=count), 1e-5), rel=0.01)
    assert exact == pytest.approx(of_opacus(1e-5, releases(noise, count=count)), rel=0.01)


def test_parts_of_several_kinds_compose() -> None:
    sampled, plain = releases(0.8, 0.05, 100), releases(3.0, 1.0, 4)
    both = composed_epsilon(sampled + plain, 1e-5)
    assert both == pytest.approx(of_opacus(1e-5, sampled + plain), rel=0.01)
    one, other = composed_epsilon(sampled, 1e-5), composed_epsilon(plain, 1e-5)
    assert max(one, other) < both < one + other


def test_halves_compose_to_the_whole() -> None:
    halves = releases(1.0, 0.02, 150) * 2
    assert composed_epsilon(halves, 1e-5) == pytest.approx(composed_epsilon(releases(1.0, 0.02, 300), 1e-5), rel=0.01)
    assert mu_of(releases(2.0, count=3) + releases(1.0, count=2)) == pytest.approx(math.sqrt(3 / 4 + 2))


@pytest.mark.parametrize(("noise", "epochs", "published"), [(1.3, 20, 1.34), (0.7, 70, 8.68)])
def test_published_figures_of_the_moments_accountant(noise: float, epochs: int, published: float) -> None:
    """DP-SGD on MNIST in batches of 256, figure 4 of https://doi.org/10.1162/99608f92.cfc5dd25; today's bound is lower.

    There `epsilon = min over orders of divergence + log(1 / delta) / (order - 1)`.
    """
    rate, steps = 256 / 60000, epochs * 60000 // 256
    orders = [*(1 + tenths / 10 for tenths in range(1, 100)), *range(12, 64)]
    divergences = compute_rdp(q=rate, noise_multiplier=noise, steps=steps, orders=orders)
    moments = min(d + math.log(1e5) / (order - 1) for d, order in zip(divergences, orders, strict=True))
    assert moments == pytest.approx(published, rel=0.01)
    ours = releases(noise, rate, steps)
    assert composed_epsilon(ours, 1e-5) < renyi_epsilon(ours, 1e-5) < moments


@pytest.mark.slow
def test_less_sampling_and_more_noise_cost_less() -> None:
    usual = composed_epsilon(releases(1.0, 0.01, 100), 1e-5)
    assert composed_epsilon(releases(1.0, 0.005, 100), 1e-5) < usual
    assert composed_epsilon(releases(1.5, 0.01, 100), 1e-5) < usual
    assert usual < composed_epsilon(releases(1.0, 0.01, 200), 1e-5)
    assert composed_epsilon(releases(0.0, 0.01, 100), 1e-5) == math.inf


@pytest.mark.parametrize("noise", [1e-5, 0.004, 0.006, 0.05, 100.0, 1e4])
def test_it_answers_at_any_noise(noise: float) -> None:
    known = composed_epsilon(releases(noise, 1.0, 10), 1e-5)
    assert 0 <= composed_epsilon(releases(noise, 0.05, 10), 1e-5) <= known


@pytest.mark.slow
@pytest.mark.parametrize(
    ("epsilon", "parts"),
    [
        (1.0, releases(1.0, 0.01, 500)),
        (8.0, releases(1.0, 0.05, 200) + releases(1.0, 0.3, 4)),
        (60.0, releases(1.0, 0.5, 10)),
        (8.0, releases(1.0) + releases(0.5, count=20)),
    ],
)
def test_the_noise_for_an_epsilon_is_enough_and_hardly_more(epsilon: float, parts: tuple[Releases, ...]) -> None:
    def at(factor: float) -> float:
        noisier = [
            Releases(noise_multiplier=factor * one.noise_multiplier, sampling_rate=one.sampling_rate, count=one.count)
            for one in parts
        ]
        return composed_epsilon(tuple(noisier), 1e-5)

    factor = noise_factor_for(epsilon, 1e-5, parts)
    assert 0.99 * epsilon < at(factor) <= epsilon * (1 + 1e-9)
    assert at(0.99 * factor) > epsilon
    assert noise_factor_for(math.inf, 1e-5, parts) == 0.0


@pytest.mark.slow
def test_so_rare_a_sample_that_it_needs_no_noise_ends_the_search() -> None:
    assert noise_factor_for(8.0, 1e-5, releases(1.0, 1e-6)) < 0.01
