"""Laws of the Gaussian mechanism; dp-accounting and Opacus say the same."""

import math

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, get_sigma_gaussian
from dp_accounting.pld import PLDAccountant
from dp_accounting.pld.privacy_loss_mechanism import GaussianPrivacyLoss
from dp_accounting.rdp import RdpAccountant
from hypothesis import given
from hypothesis import strategies as st
from opacus.accountants import PRVAccountant

from fedleak.accounting.gaussian import delta_of, epsilon_of, noise_multiplier_for

epsilons = st.floats(0.01, 60)
deltas = st.floats(1e-9, 0.5)


@pytest.mark.parametrize(("epsilon", "noise"), [(0.5, 1.0), (1.0, 2.0), (10.0, 0.3), (4.0, 0.5)])
def test_delta_is_that_of_dp_accounting(epsilon: float, noise: float) -> None:
    assert delta_of(epsilon, 1 / noise) == pytest.approx(
        GaussianPrivacyLoss(noise).get_delta_for_epsilon(epsilon), rel=1e-9
    )


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(0.1, 1e-5), (1.0, 1e-5), (3.0, 1e-6), (8.0, 1e-5), (50.0, 1e-5), (1000.0, 1e-6)]
)
def test_the_least_noise_is_that_of_dp_accounting(epsilon: float, delta: float) -> None:
    assert noise_multiplier_for(epsilon, delta) == pytest.approx(get_sigma_gaussian(epsilon, delta), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "releases", "delta"), [(2.0, 1, 1e-5), (5.0, 10, 1e-5), (0.5, 1, 1e-6)])
def test_epsilon_of_several_releases_is_that_of_dp_accounting_and_of_opacus(
    noise: float, releases: int, delta: float
) -> None:
    ours = epsilon_of(delta, math.sqrt(releases) / noise)
    theirs, opacus = PLDAccountant().compose(GaussianDpEvent(noise), releases), PRVAccountant()
    opacus.history = [(noise, 1.0, releases)]
    assert ours == pytest.approx(theirs.get_epsilon(delta), rel=0.001)
    with np.errstate(all="ignore"):
        assert ours == pytest.approx(opacus.get_epsilon(delta), rel=0.01)
    assert ours <= RdpAccountant().compose(GaussianDpEvent(noise), releases).get_epsilon(delta)


@given(epsilons, deltas)
def test_the_least_noise_gives_the_guarantee_and_less_does_not(epsilon: float, delta: float) -> None:
    noise = noise_multiplier_for(epsilon, delta)
    assert delta_of(epsilon, 1 / noise) == pytest.approx(delta, rel=1e-6)
    assert delta_of(epsilon, 1 / (0.99 * noise)) > delta


@given(st.floats(0.01, 1), st.floats(1e-9, 1e-3))
def test_the_least_noise_is_less_than_the_classical_one(epsilon: float, delta: float) -> None:
    assert noise_multiplier_for(epsilon, delta) < math.sqrt(2 * math.log(1.25 / delta)) / epsilon


@given(st.floats(0.05, 20), deltas)
def test_epsilon_and_delta_invert_each_other(mu: float, delta: float) -> None:
    epsilon = epsilon_of(delta, mu)
    if epsilon > 0:
        assert delta_of(epsilon, mu) == pytest.approx(delta, rel=1e-5)
    else:
        assert delta_of(0.0, mu) <= delta


@given(epsilons, st.floats(0.01, 10))
def test_more_noise_and_more_epsilon_leave_less_delta(epsilon: float, mu: float) -> None:
    assert 0 <= delta_of(epsilon, mu) <= delta_of(epsilon, 1.1 * mu) <= 1
    assert delta_of(1.1 * epsilon, mu) <= delta_of(epsilon, mu)


def test_no_noise_proves_nothing_and_no_contribution_needs_none() -> None:
    assert epsilon_of(1e-5, math.inf) == math.inf
    assert epsilon_of(1e-5, 0.0) == 0.0
    assert delta_of(3.0, math.inf) == 1.0
    assert noise_multiplier_for(math.inf, 1e-5) == 0.0
