"""A victim among the server's own clients: alone in its sum, but where it knows everybody's identity key."""

from collections.abc import Callable
from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.verification.verify import verify

Lie = Callable[..., Any]
OURS = [{"use": "secure-aggregation", "keys": "seeded"}]
REGISTERED = [{"use": "secure-aggregation", "keys": "seeded", "registry": True}]
FLOWERS = [{"use": "secure-aggregation-flower"}]
RING = {"ring_bits": 32, "max_value": 0.5}
SPARSE = {"neighbours": 2, "threshold": 2}


@pytest.mark.parametrize("options", [{}, RING, SPARSE], ids=["64", "32", "sparse"])
def test_without_a_registry_it_gets_the_victim_s_update(lied: Lie, options: dict[str, Any]) -> None:
    one = lied("sybils", [{**OURS[0], **options}], rounds=2)
    assert not one.report.failures
    assert one.kinds() == one.kinds(2) == {1: "weights"}
    assert all(one.error(loot) < (1e-6 if "max_value" not in options else 0.1) for loot in one.loot)
    assert {check.verdict for check in verify(one.folder)} == {"agrees"}


def test_with_a_registry_the_victim_refuses_and_the_round_is_lost(lied: Lie) -> None:
    one = lied("sybils", REGISTERED)
    assert "client 0 must have the identity key that is registered for it, and another came" in one.reasons[1]
    assert "did not believe that the server's own clients are others" in one.reasons[None]
    assert not one.recordings


def test_flower_s_clients_know_no_identities(lied: Lie) -> None:
    one = lied("sybils", FLOWERS, batch_size=64)
    [loot] = one.loot
    assert not one.report.failures
    assert loot.num_examples == 64
    assert one.steps(loot) < 1
    assert {check.verdict for check in verify(one.folder)} == {"agrees"}


def test_before_it_begins_the_server_is_honest(lied: Lie) -> None:
    one = lied("sybils", OURS, rounds=2, begins=2)
    assert one.kinds() == {0: "masked", 1: "masked", 2: "masked", 3: "masked", "sum": "aggregate"}
    assert one.kinds(2) == {1: "weights"}


def test_a_victim_that_leaves_is_no_victim(lied: Lie) -> None:
    one = lied("sybils", FLOWERS, dropouts=[{"client": 1, "round": 1, "stage": "masked"}])
    assert one.reasons[1].startswith("Dropout")
    assert not one.loot


def test_a_victim_that_is_never_sampled_is_a_mistake_and_one_that_is_once_is_none(lied: Lie) -> None:
    some = {"strategy_options": {"fraction_train": 0.5}, "rounds": 2}
    with pytest.raises(ConfigError, match="expected a victim that is sampled in a round from 1 to 2, got client 0"):
        lied("sybils", OURS, victim=0, **some)
    one = lied("sybils", OURS, victim=3, **some)
    assert one.kinds(2) == {3: "weights"}
    assert one.kinds(1).keys() == {1, 2, "sum"}
