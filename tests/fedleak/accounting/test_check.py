"""A result that beats its bound is found out, and luck is not taken for one."""

import math

import pytest

from fedleak.accounting.guarantee import Guarantee
from fedleak.accounting.mechanism import Mechanism
from fedleak.analysis.bounds import Check, check_success
from fedleak.errors import BoundError


def guarantee(multiplier: float, rounds: int = 1) -> Guarantee:
    mechanism = Mechanism(noise=multiplier, contribution=1.0, protects="client", neighbours="removed", releases=1)
    return Guarantee(mechanism=mechanism, rounds=rounds, defense="local-dp")


def check(multiplier: float, hits: int, trials: int = 40, blind: int = 0, used: int = 1) -> Check:
    return check_success(
        guarantee(multiplier, rounds=5),
        hits=[1] * hits + [0] * (trials - hits),
        sizes=[1] * trials,
        seeds=list(range(trials)),
        blind_hits=blind,
        blind_trials=1000,
        rounds=used,
    )


def test_success_in_every_message_under_strong_noise_is_a_bug() -> None:
    found = check(10.0, hits=40)
    assert found.beaten
    with pytest.raises(BoundError, match="the noise, the accounting or the scoring of this run is wrong: success 1"):
        found.require()


def test_success_without_noise_is_none() -> None:
    found = check(0.0, hits=40)
    assert found.bound == 1.0
    assert not found.beaten
    found.require()


def test_a_lucky_hit_and_too_few_blind_guesses_are_no_bug() -> None:
    assert not check(10.0, hits=1, trials=10).beaten
    unsure = check_success(guarantee(10.0), hits=[1, 1], sizes=[1, 1], seeds=[0, 1], blind_hits=0, blind_trials=0)
    assert math.isnan(unsure.bound)
    assert not unsure.beaten


def test_the_bound_is_at_what_the_attack_used() -> None:
    one, five = check(2.0, 1, blind=100), check(2.0, 1, blind=100, used=5)
    assert 0.1 < one.bound < five.bound
    assert one.bound < one.bound_at_most
    assert "noise multiplier 2 for removed clients, 1 release" in one.sentence
    assert "5 releases" in five.sentence
