"""A server in the middle: it reads the victim's update and nobody notices, but where identity keys are registered."""

from collections.abc import Callable
from typing import Any

import torch

from fedleak.verification.verify import verify

Lie = Callable[..., Any]
OURS = [{"use": "secure-aggregation", "keys": "seeded"}]
REGISTERED = [{"use": "secure-aggregation", "keys": "seeded", "registry": True}]
FLOWERS = [{"use": "secure-aggregation-flower"}]
EVERYBODY = {0: "masked", 1: "weights", 2: "masked", 3: "masked", "sum": "aggregate"}


def test_without_a_registry_it_gets_the_victim_s_update_and_the_sum_is_right(lied: Lie) -> None:
    one = lied("forged-roster", OURS, rounds=2)
    assert not one.report.failures
    assert one.kinds() == one.kinds(2) == EVERYBODY
    assert all(one.error(loot) < 1e-6 for loot in one.loot)
    assert {check.verdict for check in verify(one.folder)} == {"agrees", "masked"}


def test_with_a_registry_the_victim_refuses_and_takes_part_with_the_true_roster(lied: Lie) -> None:
    one, honest = lied("forged-roster", REGISTERED), None
    assert one.reasons.keys() == {1}
    assert "client 0 must have the identity key that is registered for it, and another came" in one.reasons[1]
    assert one.kinds() == {**EVERYBODY, 1: "masked"}
    [found] = [two for two in one.recordings if two.kind == "aggregate"]
    honest = lied("says-pretraining", REGISTERED)
    [known] = [two for two in honest.recordings if two.kind == "aggregate"]
    assert torch.equal(found.payload["ring"], known.payload["ring"])


def test_flower_s_clients_know_no_identities(lied: Lie) -> None:
    one = lied("forged-roster", FLOWERS, batch_size=64)
    assert not one.report.failures
    assert one.kinds() == EVERYBODY
    [loot] = one.loot
    assert one.steps(loot) < 1
    assert {check.verdict for check in verify(one.folder)} == {"agrees", "masked"}
