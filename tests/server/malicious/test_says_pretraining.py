"""A round said to be one before the defenses: refused by our clients under every protocol, and what it would give."""

from collections.abc import Callable
from typing import Any

import pytest

from fedleak.clients.share import pretraining_of
from fedleak.contracts.chain import Chain
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.settings.base import parse_settings

Lie = Callable[..., Any]
OURS = [{"use": "secure-aggregation", "keys": "seeded"}]
FLOWERS = [{"use": "secure-aggregation-flower"}]
NOISE = [{"use": "gaussian-noise", "std": 0.1}]


@pytest.mark.parametrize("chain", [OURS, FLOWERS, NOISE], ids=["ours", "flower", "noise"])
def test_a_client_knows_that_the_plan_has_no_such_round(lied: Lie, chain: list[Any]) -> None:
    one = lied("says-pretraining", chain, rounds=2)
    first, second = [failure for failure in one.report.failures if failure.planned]
    assert (first.client, first.round, second.client, second.round) == (1, 1, 1, 2)
    assert "model.trained_rounds is 0; what is sent there is undefended, so this client refuses" in first.reason
    assert "this client has answered round 1; what is sent there is undefended, so it refuses" in second.reason
    assert len(one.report.failures) == 2
    assert one.kinds() == one.kinds(2)
    assert one.kinds()[1] == ("weights" if chain is NOISE else "masked")


@pytest.mark.usefixtures("believing")
def test_who_believes_it_sends_what_it_learns_of_its_whole_share(lied: Lie) -> None:
    one = lied("says-pretraining", OURS)
    [loot] = one.loot
    plan = {"task": "digits-mlp", "recordings": "r", "vault": "v", "federation": {"clients": 4, "batch_size": 4}}
    examples, training = pretraining_of(parse_settings(FederationPlan, plan), 1)
    sent = reply(loot.task, loot.before, examples, training, Chain(), (0, "pretraining", 1, 1)).weights
    assert loot.num_examples == len(examples) == 270
    assert loot.training.batches == training.batches
    assert loot.chain == Chain()
    for name, value in sent.state_dict().items():
        assert float((loot.payload[name] - value).abs().max()) == 0.0
