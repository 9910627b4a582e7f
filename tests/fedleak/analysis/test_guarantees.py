"""What chains prove, over the recorded rounds and over the whole run."""

import math

import pytest

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.analysis.conditions import Condition
from fedleak.analysis.guarantees import guarantees_of, whole_guarantees_of
from fedleak.experiment.grid import parse_campaign

TREE = {
    "name": "tiny",
    "task": "digits-mlp",
    "metrics": ["psnr"],
    "federation": {"clients": 2},
    "attacks": [{"use": "analytic-linear"}, {"use": "prior"}],
    "defenses": [
        {"name": "none"},
        {"name": "private", "chain": [{"use": "local-dp", "epsilon": 0.1, "delta": 1e-5, "max_norm": 1.0}]},
        {"name": "sparse", "chain": [{"use": "top-k", "fraction": 0.1}]},
    ],
}


def test_only_chains_that_prove_something_have_a_guarantee():
    found = guarantees_of(parse_campaign(TREE))
    place = Condition(task="digits-mlp")
    assert set(found) == {(place, "private"), (place, "sparse")}
    assert isinstance(found[place, "private"], Guarantee)
    assert isinstance(found[place, "sparse"], Unproven)


def test_the_whole_run_costs_more_than_its_recorded_rounds():
    longer = parse_campaign({**TREE, "utility": {"rounds": 3}})
    place = Condition(task="digits-mlp"), "private"
    recorded, whole = guarantees_of(longer)[place], whole_guarantees_of(longer)[place]
    assert recorded == guarantees_of(parse_campaign(TREE))[place] == whole_guarantees_of(parse_campaign(TREE))[place]
    assert whole.mu == pytest.approx(2 * recorded.mu)
    assert whole.epsilon(1e-5) > recorded.epsilon(1e-5) == pytest.approx(0.1, rel=1e-6)


def test_rounds_without_defenses_before_the_recorded_ones_void_the_whole_run():
    found = whole_guarantees_of(parse_campaign({**TREE, "model": {"trained_rounds": 1}}))
    assert "without the defenses" in found[Condition(task="digits-mlp"), "private"].reason


def test_training_code_that_goes_past_a_defense_voids_what_it_proves_of_honest_code():
    chains = [
        {"name": "steps", "chain": [{"use": "dp-sgd", "max_norm": 1.0, "epsilon": 4.0, "delta": 1e-3}]},
        {"name": "update", "chain": [{"use": "local-dp", "epsilon": 4.0, "delta": 1e-3, "max_norm": 1.0}]},
    ]
    facts = {"federation": {"clients": 2, "release": "last"}, "attacks": [{"use": "sign-decoding"}], "defenses": chains}
    tampered = {"adversary": {"does": [{"use": "sign-encoding", "images": 2}]}}
    tree = {**TREE, **facts, "metrics": ["payload-bits"]}
    place, campaign = Condition(task="digits-mlp"), parse_campaign({**tree, **tampered})
    for found in (guarantees_of(campaign), whole_guarantees_of(campaign)):
        assert "the training code does sign-encoding" in found[place, "steps"].reason
        assert isinstance(found[place, "update"], Guarantee)
    honest = parse_campaign({**tree, "attacks": [{"use": "loss-threshold"}], "metrics": []})
    assert isinstance(guarantees_of(honest)[place, "steps"], Guarantee)


def test_a_sum_under_a_protocol_proves_nothing_beside_a_server_that_does_not_follow_it():
    shared = {"use": "user-level-dp", "max_norm": 1.0, "noise_multiplier": 4.0, "clients": 2}
    chains = [
        {"name": "none"},
        {"name": "masked", "chain": [shared, {"use": "secure-aggregation"}]},
        {"name": "alone", "chain": [{"use": "local-dp", "epsilon": 4.0, "delta": 1e-3, "max_norm": 1.0}]},
        {"name": "both", "chain": [{"use": "local-dp", "epsilon": 4.0, "delta": 1e-3, "max_norm": 1.0},
                                   {"use": "secure-aggregation"}]},
    ]  # fmt: skip
    planting = {"name": "planting", "chain": [{"use": "imprint", "bins": 4}]}
    campaign = parse_campaign({**TREE, "defenses": chains, "servers": [{"name": "honest"}, planting]})
    found = guarantees_of(campaign)
    honest, cheats = (Condition.of("digits-mlp", {"server": name}) for name in ("honest", "planting"))
    assert found[cheats, "masked"].mu == pytest.approx(math.sqrt(2) * found[honest, "masked"].mu)
    assert found[honest, "masked"].terms(1e-3) == "replace-one client, no sampling credit"
    apart = "of single messages, as a sum takes a server that follows the protocol"
    assert found[cheats, "masked"].terms(1e-3) == f"replace-one client, no sampling credit, {apart}"
    assert found[cheats, "both"].mu == pytest.approx(found[cheats, "alone"].mu)
    assert found[cheats, "alone"] == found[honest, "alone"]


def test_what_proves_nothing_of_single_messages_says_what_it_is_about():
    sparse = [{"use": "top-k", "fraction": 0.1}, {"use": "secure-aggregation"}]
    chains = [{"name": "none"}, {"name": "sparse", "chain": sparse}]
    planting = {"name": "planting", "chain": [{"use": "imprint", "bins": 4}]}
    found = guarantees_of(parse_campaign({**TREE, "defenses": chains, "servers": [planting]}))
    [reason] = {one.reason for one in found.values()}
    assert reason.startswith("of single messages, as a sum takes a server that follows the protocol: no defense of")
