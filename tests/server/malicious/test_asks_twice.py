"""The same round asked twice: refused by our clients under both protocols, and what it would give otherwise."""

from collections.abc import Callable
from typing import Any

import pytest

from fedleak.verification.verify import verify

Lie = Callable[..., Any]
OURS = [{"use": "secure-aggregation", "keys": "seeded"}]
FLOWERS = [{"use": "secure-aggregation-flower"}]


@pytest.mark.parametrize(
    ("chain", "sentence"),
    [
        (OURS, "has answered 'share' and answers again for the same content alone, and another came"),
        (FLOWERS, "asks for round 1 again, with another content"),
    ],
    ids=["ours", "flower"],
)
def test_clients_refuse_to_answer_again_for_another_list(lied: Lie, chain: list[Any], sentence: str) -> None:
    one = lied("asks-twice", chain)
    assert one.reasons.keys() == {0, 2, 3}
    assert all(sentence in reason for reason in one.reasons.values())
    assert not one.loot
    assert one.kinds()["sum"] == "aggregate"


@pytest.mark.usefixtures("beginning_anew")
def test_of_clients_that_begin_anew_it_gets_the_victim_s_update(lied: Lie) -> None:
    one = lied("asks-twice", OURS)
    [loot] = one.loot
    assert loot.cohort == (1,)
    assert loot.num_examples == 4
    assert one.error(loot) < 1e-6
    assert "disagrees" not in {check.verdict for check in verify(one.folder)}


@pytest.mark.usefixtures("believing")
def test_of_flower_s_clients_too_within_the_noise_of_two_sums(lied: Lie) -> None:
    one = lied("asks-twice", FLOWERS, batch_size=64)
    [loot] = one.loot
    assert loot.num_examples == 64
    assert one.steps(loot) < 7
    assert one.error(loot) < 0.1
