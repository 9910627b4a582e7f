"""What chains prove, over the recorded rounds and over the whole run."""

import pytest

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.analysis.bounds import guarantees_of, whole_guarantees_of
from fedleak.analysis.conditions import Condition
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
