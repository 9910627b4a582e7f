"""Laws of what Flower's server-side wrappers are worth."""

import numpy as np
import pytest
from flwr.app import ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords
from flwr.supercore.differential_privacy import compute_clip_model_update

from fedleak.accounting.gaussian import epsilon_of
from fedleak.accounting.relations import Relation
from fedleak.claims.claimed import Claimed
from fedleak.claims.server_wrappers import AdaptiveClipping, FixedClipping
from fedleak.errors import ConfigError
from fedleak.settings.base import parse_settings

FIXED = "DifferentialPrivacyServerSideFixedClipping"


def fixed(**fields: object) -> Claimed:
    given = {"use": FIXED, "noise_multiplier": 1.0, "clipping_norm": 0.5, "num_sampled_clients": 4, **fields}
    return parse_settings(FixedClipping, given).claimed()


def epsilon(found: Claimed, relation: Relation) -> float:
    return next(one.round.epsilon for one in found.figures if one.relation == relation)


def test_neighbors_are_as_far_apart_as_flowers_mean_has_them() -> None:
    """A client that is removed leaves a mean over three; one that sends nothing new leaves one over four."""

    def mean(updates: list[float]) -> float:
        records = []
        for update in updates:
            arrays = [np.full(1, update)]
            compute_clip_model_update(arrays, [np.zeros(1)], 0.5)
            content = {"arrays": ArrayRecord(arrays), "metrics": MetricRecord({"num-examples": 1})}
            records.append(RecordDict(content))  # type: ignore[arg-type]
        return float(aggregate_arrayrecords(records, "num-examples").to_numpy_ndarrays()[0][0])

    all_there = mean([9.0, -9.0, -9.0, -9.0])  # clipped to the norm of .5
    unit = 0.5 / 4
    assert all_there - mean([1e-12, -9.0, -9.0, -9.0]) == pytest.approx(unit)
    assert all_there - mean([-9.0, -9.0, -9.0, -9.0]) == pytest.approx(2 * unit)
    assert all_there - mean([-9.0, -9.0, -9.0]) == pytest.approx(2 * unit)
    one, two = epsilon_of(1e-5, 1.0), epsilon_of(1e-5, 2.0)
    found = fixed()
    assert [epsilon(found, name) for name in ("zero-out", "replace-one", "add-or-remove")] == pytest.approx(  # type: ignore[arg-type]
        [one, two, two]
    )


def test_an_update_of_zero_is_an_error_in_flowers_clipping() -> None:
    """Which the answers say: such a client fails in sight of all."""
    with pytest.raises(ZeroDivisionError):
        compute_clip_model_update([np.zeros(1)], [np.zeros(1)], 0.5)
    assert any("exactly zero" in words for words in fixed().provided)


def test_it_is_about_models_and_says_that_the_server_has_all() -> None:
    found = fixed()
    assert "averaged models" in found.against
    assert "nothing against the server" in found.also


def test_unequal_weights_make_the_noise_too_little_by_as_much() -> None:
    found = fixed(largest_weight=0.5)
    assert epsilon(found, "zero-out") == pytest.approx(epsilon_of(1e-5, 2.0))
    assert "unequal weights" in found.wrong[0]
    assert "2 times too little" in found.wrong[0]
    assert not fixed(largest_weight=0.25).wrong


def test_secret_cohorts_earn_credit_once_all_clients_are_known() -> None:
    few, all_of_them = fixed(clients=400, rounds=20), fixed(rounds=20)
    assert few.figures[2].run.credit
    assert few.figures[2].run.epsilon < all_of_them.figures[2].run.epsilon
    assert not few.figures[0].run.credit


def test_a_claim_over_the_run_is_held_to_the_run() -> None:
    assert fixed(epsilon=9.0, delta=1e-5, rounds=1).verdict == "holds"
    assert fixed(epsilon=9.0, delta=1e-5, rounds=9).verdict == "broken"


def test_adaptive_clipping_is_worth_its_noise_multiplier_and_refuses_what_flower_does() -> None:
    given = {"use": "DifferentialPrivacyClientSideAdaptiveClipping", "num_sampled_clients": 100}
    found = parse_settings(AdaptiveClipping, {**given, "noise_multiplier": 1.0}).claimed()
    assert epsilon(found, "zero-out") == pytest.approx(epsilon_of(1e-5, 1.0))
    with pytest.raises(ConfigError, match="below 2"):
        parse_settings(AdaptiveClipping, {**given, "noise_multiplier": 10.0})


def test_no_noise_gives_nothing() -> None:
    found = fixed(noise_multiplier=0.0, epsilon=1.0, delta=1e-5)
    assert found.verdict == "no guarantee"
