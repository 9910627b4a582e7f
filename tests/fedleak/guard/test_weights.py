"""Weights may be so far from what came, and no finer than is said."""

from typing import Any

import numpy as np
import pytest

from fedleak.guard.arrays import Pair
from fedleak.guard.journal import Refused
from fedleak.guard.policy import Arrays
from fedleak.guard.weights import changes_of, hold

BEFORE = np.ones((2, 8), dtype=np.float32)


def held(change: Any, before: Any = BEFORE, **rules: Any) -> None:
    policy = Arrays(**rules)
    after = (before + np.asarray(change)).astype(before.dtype)
    mean = np.zeros(2, dtype=np.float32)
    pairs = [Pair("weight", before, after), Pair("running_mean", mean, mean + 3)]
    hold(changes_of(pairs, policy), policy)


def test_a_policy_without_rules_on_weights_has_none() -> None:
    held(1e6)


@pytest.mark.parametrize(
    ("change", "rules", "sentence"),
    [
        (0.5, {"max_norm": 4.6}, "the change has a norm of 4.69, and at most 4.6 may leave (arrays.max_norm)"),
        (0.5, {"max_norm": 1.9, "norm_of": "parameters"}, "a norm of 2, and at most 1.9 may leave (arrays.max_norm)"),
        (
            0.0,
            {"min_norm": 0.0, "norm_of": "parameters"},
            "a norm of 0, and more than 0 is a training's (arrays.min_norm)",
        ),
        (0.5, {"max_entry": 0.4}, "'weight' has a value that changed by 0.5, at most 0.4 may (arrays.max_entry)"),
        (0.1, {"max_entry": 2.0}, "'running_mean' has a value that changed by 3, at most 2 may (arrays.max_entry)"),
        (0.5, {"max_distance": 0.1}, "training takes them at most 0.1 times (arrays.max_distance)"),
        (0.3, {"multiple_of": 0.25}, "'weight' has 16 changes that are no multiples of 0.25 (arrays.multiple_of)"),
        (0.5, {"max_changed": 0.5}, "a share of 1 of all values changed, at most 0.5 may (arrays.max_changed)"),
    ],
)
def test_what_breaks_a_rule_is_refused(change: float, rules: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        held(change, **rules)
    assert str(caught.value).endswith(sentence)


def test_what_keeps_to_the_rules_passes() -> None:
    held(0.5, max_norm=2.1, norm_of="parameters", min_norm=0.0, max_entry=3.0, max_distance=0.6)
    held(0.5, max_norm=4.7)
    sparse = np.zeros((2, 8))
    sparse[0, 0] = 1
    held(sparse, max_changed=0.2)


@pytest.mark.parametrize("before", [BEFORE, np.linspace(-3, 3, 16, dtype=np.float32), np.linspace(-3, 3, 16) * 1e-4])
def test_multiples_are_known_whatever_weights_round_them_to(before: Any) -> None:
    steps = np.round(np.random.default_rng(0).normal(0, 40, before.shape))
    held(steps * 1e-3, before, multiple_of=1e-3)
    with pytest.raises(Refused, match=r"no multiples of 0\.001"):
        held(steps * 1e-3 + 1e-4, before, multiple_of=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_as_it_came_and_as_it_leaves(value: float) -> None:
    with pytest.raises(Refused, match=r"'weight' has values that are not finite \(arrays: finite\)"):
        held(value)
    with pytest.raises(Refused, match="'weight' came with values that are not finite"):
        hold(changes_of([Pair("weight", BEFORE + np.float32(value), BEFORE)], Arrays()), Arrays())


def test_of_nothing_no_weights_come() -> None:
    with pytest.raises(Refused, match="by any number of times the norm of these"):
        held(0.5, np.zeros((2, 8), dtype=np.float32), max_distance=10.0)


def test_a_change_beyond_all_numbers_is_refused() -> None:
    large, rules = np.full((2, 8), 1e308), Arrays(max_norm=1e300)
    with pytest.raises(Refused, match="a norm of inf"), np.errstate(over="ignore"):
        hold(changes_of([Pair("weight", large, -large)], rules), rules)
