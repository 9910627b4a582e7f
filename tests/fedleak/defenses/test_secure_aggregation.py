"""Laws of the vector that is masked: a sum is the mean of updates, nothing is clipped unseen, settings fit together."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.contracts.chain import Chain
from fedleak.defenses.secure_aggregation import SecureAggregation
from fedleak.errors import ConfigError, NonFiniteError
from fedleak.learning.weights import Weights
from fedleak.settings.federation import FederationSettings

BEFORE = Weights({"w": torch.tensor([1.0, 2.0])}, {"count": torch.tensor(3), "mean": torch.tensor([0.5])})
ONE = Weights({"w": torch.tensor([2.0, 2.0])}, {"count": torch.tensor(5), "mean": torch.tensor([1.5])})
TWO = Weights({"w": torch.tensor([1.0, 6.0])}, {"count": torch.tensor(4), "mean": torch.tensor([0.5])})
NARROW = {"ring_bits": 32, "max_value": 16.0}


def planned(clients: int = 2, **options: Any) -> SecureAggregation:
    return SecureAggregation(**options).planned((FederationSettings(clients=clients),))


def weights(*values: float) -> Weights:
    return Weights({"w": torch.tensor(values, dtype=torch.float64)}, {})


def zeros(entries: int) -> Weights:
    return weights(*[0.0] * entries)


@pytest.mark.parametrize("ring", [{}, NARROW], ids=["64", "32"])
def test_the_mean_is_weighted_by_examples_and_covers_buffers(ring: dict[str, Any]) -> None:
    defense = planned(**ring)
    total = defense.vector(BEFORE, ONE, 1, 2) + defense.vector(BEFORE, TWO, 3, 2)
    opened = defense.opened(total)
    state = opened.state(BEFORE)
    assert (opened.examples, opened.cut, len(total)) == (4, 0, defense.entries(BEFORE))
    assert state["w"].tolist() == [1.25, 5.0]
    assert state["count"].tolist() == 4.25
    assert state["mean"].tolist() == [0.75]


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=5), st.integers(2, 20))
def test_in_32_bits_values_beyond_the_greatest_are_cut_and_counted(values: list[float], clients: int) -> None:
    defense = planned(clients, **NARROW)
    after = weights(*values)
    total = np.sum([defense.vector(zeros(len(values)), after, 1, clients)] * clients, axis=0, dtype=np.uint32)
    opened = defense.opened(total)
    assert opened.cut == clients * sum(abs(value) > 16 for value in values)
    np.testing.assert_allclose(opened.changes, np.clip(values, -16, 16), atol=2.0**-defense.numbers.places)


@pytest.mark.parametrize("value", [2.0**20, 2.0**23, 1e300])
def test_in_64_bits_what_could_overflow_is_refused_and_never_clipped(value: float) -> None:
    with pytest.raises(ConfigError, match="lower fraction_bits"):
        planned(4, fraction_bits=50).vector(zeros(2), weights(0.0, value), 1, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("ring", [{}, NARROW], ids=["64", "32"])
def test_what_is_not_finite_is_refused(value: float, ring: dict[str, Any]) -> None:
    with pytest.raises(NonFiniteError, match="not finite"):
        planned(**ring).vector(zeros(1), weights(value), 1, 2)


def test_values_at_the_limit_add_up() -> None:
    defense = planned()
    greatest = defense.numbers.limit(2) - 1
    for sign in (1.0, -1.0):
        vector = defense.vector(zeros(1), weights(sign * greatest), 1, 2)
        assert defense.opened(vector + vector).changes[0] == sign * greatest


def test_a_plan_has_numbers_for_all_that_is_agreed_on_and_stays_as_it_is() -> None:
    for options, neighbours, threshold in [
        ({}, "all", 67),
        ({"threshold": 60}, "all", 60),
        ({"neighbours": 30, "threshold": 16}, 30, 16),
        ({"neighbours": "auto"}, 30, 16),
        ({"neighbours": "auto", "corrupt": 0.1, "dropouts": 0.1}, 42, 22),
    ]:
        found = planned(100, **options)
        assert (found.neighbours, found.threshold, found.fraction_bits) == (neighbours, threshold, 40)
        assert found.planned((FederationSettings(clients=100),)) == found
        assert Chain.build(tuple(Chain((found,)).tables)).protocol == found
    assert planned(100, neighbours="auto", server="lying").threshold == 19
    narrow = planned(100, **NARROW)
    assert narrow.fraction_bits == 20


def test_it_plans_for_the_clients_of_a_round_and_not_for_all() -> None:
    half = FederationSettings(clients=100, strategy_options={"fraction_train": 0.5})
    assert SecureAggregation().planned((half,)).threshold == 34


@pytest.mark.parametrize(
    ("options", "clients", "sentence"),
    [
        (
            {"threshold": 5},
            4,
            "the threshold must be at most 4, the size of a neighbourhood among 4 clients, and it is 5",
        ),
        ({"threshold": 2}, 4, "the threshold must be above half of the 4 clients of a neighbourhood"),
        ({"neighbours": 3, "threshold": 3}, 8, "neighbours must be an even number above 0"),
        ({"neighbours": 2, "threshold": 4}, 8, "the threshold must be at most 3"),
        ({"neighbours": "auto", "dropouts": 0.6}, 100, "lower corrupt or dropouts, or name neighbours"),
        ({"smallest_cohort": 9}, 4, "needs 9 clients or more in a round, and a round of this federation has 4"),
        ({"ring_bits": 32}, 4, "expected a max_value with ring_bits = 32"),
        ({"max_value": 1.0}, 4, "expected no max_value with ring_bits = 64"),
        (
            {"ring_bits": 32, "max_value": 1e9},
            4,
            "values up to max_value = 1e.09 overflows 32 bits with one binary place",
        ),
        ({"ring_bits": 32, "max_value": 1.0, "fraction_bits": 30}, 4, "overflows 32 bits with fraction_bits = 30"),
    ],
)
def test_settings_that_do_not_fit_are_one_sentence(options: dict[str, Any], clients: int, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SecureAggregation(**options).settings(FederationSettings(clients=clients))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"neighbours": "x"}, 'neighbours: expected an even number above 0, "all" or "auto", got \'x\''),
        ({"neighbours": 2.5}, 'neighbours: expected an even number above 0, "all" or "auto", got 2.5'),
        ({"ring_bits": 32, "max_value": 1e-310}, "max_value: expected greater than or equal to 0.0+1, got 1e-310"),
        ({"ring_bits": 32, "max_value": 1e-300}, "max_value: expected greater than or equal to 0.0+1, got 1e-300"),
        ({"ring_bits": 32, "max_value": 1e308}, r"max_value: expected less than or equal to 10+, got 1e\+308"),
    ],
)
def test_options_that_are_none_are_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Chain.build(({"use": "secure-aggregation", **options},)).planned((FederationSettings(),))


def test_the_greatest_value_may_be_small() -> None:
    built = Chain.build(({"use": "secure-aggregation", "ring_bits": 32, "max_value": 1e-30},))
    assert built.planned((FederationSettings(),)).protocol is not None


def test_it_says_what_it_does_not_protect_from() -> None:
    assert (
        SecureAggregation().caveat == "without a registry of identity keys a lying server can be all the other clients"
    )
    assert SecureAggregation(keys="seeded").caveat.startswith(
        "keys follow from the seed, so whoever knows it unmasks; "
    )


def test_with_a_registry_nobody_can_be_all_the_others() -> None:
    registered = SecureAggregation(keys="seeded", registry=True)
    assert registered.caveat == "keys follow from the seed, so whoever knows it unmasks"
    assert SecureAggregation(registry=True).caveat == ""
    told = {own: dict(own.disclosures(FederationSettings(clients=4))) for own in (SecureAggregation(), registered)}
    assert told[SecureAggregation()].keys() - told[registered].keys() == {"a lying server without"}


def test_the_least_that_survive_are_the_threshold() -> None:
    assert planned(100).least_survivors == 67
    assert planned(4, threshold=3, smallest_cohort=4).least_survivors == 4
