"""Laws of what LocalDpMod is worth: by the noise that Flower's own code adds."""

import math

import numpy as np
import pytest
from flwr.compat.common.parameter import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.supercore.differential_privacy import add_localdp_gaussian_noise_to_params
from hypothesis import given, settings
from hypothesis import strategies as st

from fedleak.accounting.gaussian import epsilon_of, noise_multiplier_for
from fedleak.claims.claimed import Claimed
from fedleak.claims.local_dp_mod import ClippingMod, LocalDpModSetting


def claimed(**fields: float) -> Claimed:
    given = {"clipping_norm": 1.0, "sensitivity": 2.0, "epsilon": 0.9, "delta": 1e-5, **fields}
    return LocalDpModSetting(use="LocalDpMod", **given).claimed()  # type: ignore[arg-type]


def by_relation(found: Claimed) -> dict[str, float]:
    return {one.relation: one.round.epsilon for one in found.figures}


def test_a_production_default_is_worth_two_hundred_million() -> None:
    found = claimed(clipping_norm=1.0, sensitivity=1e-4, epsilon=10.0, delta=1e-5)
    assert by_relation(found)["add-or-remove"] == pytest.approx(2.13e8, rel=0.01)
    assert by_relation(found)["replace-one"] == pytest.approx(8.52e8, rel=0.01)
    assert found.verdict == "broken"
    assert any("sensitivity is not the norm's" in words for words in found.wrong)


def test_the_noise_is_flowers() -> None:
    np.random.seed(0)  # noqa: NPY002  Flower draws from the global generator
    zeros = ndarrays_to_parameters([np.zeros(100_000)])
    drawn = parameters_to_ndarrays(add_localdp_gaussian_noise_to_params(zeros, 0.3, 2.0, 1e-6))[0]
    setting = LocalDpModSetting(use="LocalDpMod", clipping_norm=1.0, sensitivity=0.3, epsilon=2.0, delta=1e-6)
    assert setting.std == pytest.approx(drawn.std(), rel=0.01)


def test_twice_the_norm_holds_under_every_relation_and_the_norm_alone_not_for_another_update() -> None:
    assert claimed().kept == ("add-or-remove", "zero-out", "replace-one")
    forgotten = claimed(sensitivity=1.0)
    assert forgotten.kept == ("add-or-remove", "zero-out")
    assert "replace-one is forgotten" in forgotten.wrong[0]
    assert not claimed().wrong


@given(st.floats(0.01, 1.0), st.floats(1e-9, 1e-2), st.floats(0.01, 100.0))
@settings(max_examples=100)
def test_the_classical_formula_is_enough_below_one(epsilon: float, delta: float, norm: float) -> None:
    """Dwork and Roth's theorem: a sound setting is never called broken."""
    assert claimed(clipping_norm=norm, sensitivity=2 * norm, epsilon=epsilon, delta=delta).verdict == "holds"


@given(st.floats(1.5, 50.0))
@settings(max_examples=30)
def test_beyond_one_the_formula_is_said_to_be_unproved_and_the_exact_figure_counts(epsilon: float) -> None:
    found = claimed(epsilon=epsilon)
    exact = epsilon_of(1e-5, epsilon / math.sqrt(2 * math.log(1.25e5)))
    assert by_relation(found)["replace-one"] == pytest.approx(exact, rel=1e-6)
    assert (found.verdict == "holds") == (min(by_relation(found).values()) <= epsilon * 1.001)
    assert any("proved for epsilon below 1" in words for words in found.wrong)


def test_rounds_compose_exactly() -> None:
    found = claimed(rounds=16).figures[2]
    mu = 0.9 / math.sqrt(2 * math.log(1.25e5))
    assert found.run.epsilon == pytest.approx(epsilon_of(1e-5, 4 * mu), rel=1e-6)
    assert noise_multiplier_for(found.run.epsilon, 1e-5, 16) == pytest.approx(1 / mu, rel=1e-4)


def test_no_noise_at_all_is_infinite() -> None:
    found = claimed(sensitivity=0.0)
    assert math.isinf(found.least)
    assert "infinite" in found.sentence


def test_delta_is_measured_by_the_clients() -> None:
    assert any("one of 100 clients" in words for words in claimed(clients=100, delta=0.02).wrong)


def test_a_mod_that_only_clips_claims_nothing_and_gives_nothing() -> None:
    found = ClippingMod(use="adaptiveclipping_mod").claimed()
    assert (found.verdict, found.figures) == ("nothing claimed", ())
    assert any("in clear" in words for words in found.wrong)
