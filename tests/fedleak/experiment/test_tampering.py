"""Tampering: what does not fit, what nobody reads, and who has nothing to read is refused in a sentence; lists vary."""

from typing import Any

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.canonical import experiment_facts, settings_facts
from fedleak.experiment.experiment import parse_experiment
from fedleak.experiment.grid import parse_campaign
from fedleak.federation.plan import FederationPlan
from fedleak.settings.federation import PlanSettings

LSB = {"use": "lsb-encoding", "images": 4}
TREE: dict[str, Any] = {
    "name": "tampered",
    "task": "digits-mlp",
    "federation": {"release": "last"},
    "adversary": {"does": [LSB]},
    "attacks": [{"use": "lsb-decoding"}],
}


def tree(does: Any = (LSB,), attack: str | None = "lsb-decoding", **changed: Any) -> dict[str, Any]:
    attacking = {} if attack is None else {"attacks": [{"use": attack}]}
    return {**TREE, "attacks": [], "adversary": {"does": list(does)}, **attacking, **changed}


def test_metrics_follow_from_the_attack() -> None:
    assert parse_experiment(tree()).metrics[:3] == ("payload-images", "payload-bits", "channel-bits")
    assert parse_experiment(tree(attack=None)).adversary.does == (LSB,)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"does": [{"use": "lsb"}]}, r"adversary\.does\.0\.use: no tampering is called 'lsb'"),
        ({"does": [{**LSB, "bit": 3}]}, r"adversary\.does\.0\.bit: unknown field of tampering.*did you mean 'bits'"),
        ({"does": [{**LSB, "bits": 24}]}, r"adversary\.does\.0\.bits: expected less than or equal to 23, got 24"),
        ({"does": [{**LSB, "images": 900}]}, r"adversary\.does\.0: images: 900 images take .* 3,123 bytes.* 48 images"),
        ({"attack": "loss-threshold"}, r"no attack here reads what lsb-encoding leaves; add lsb-decoding, or leave it"),
        (
            {"attack": "loss-threshold", "does": [{"use": "sign-encoding"}]},
            r"no attack here reads what sign-encoding leaves; add sign-decoding, or",
        ),
        (
            {"attack": "correlated-decoding"},
            r"attacks\.0: correlated-decoding reads what correlated-encoding leaves, and the training code",
        ),
        ({"does": []}, r"attacks\.0: lsb-decoding reads what lsb-encoding leaves, and nobody tampers; set adversary"),
        (
            {"does": [{**LSB, "key": "x"}, {**LSB, "key": "y"}]},
            r"adversary\.does\.1: expected each tampering once, got lsb-encoding again",
        ),
        (
            {"does": [LSB, {"use": "property-poison"}, {"use": "sign-encoding"}], "attack": None},
            r"adversary\.does\.2: sign-encoding and lsb-encoding both move parameters that each client has of its own",
        ),
        ({"does": ["lsb-encoding"]}, r"adversary\.does\.0: expected a table"),
        ({"federation": {}}, "reads the weights of a released model, and none leaves this federation"),
        (
            {"attack": None, "federation": {"partition": "columns", "clients": 2}},
            r"adversary\.does\.0: lsb-encoding tampers with what clients with rows of their own train",
        ),
    ],
)
def test_what_makes_no_sense_is_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_experiment(tree(**changed))


def test_a_defense_that_keeps_layers_back_leaves_less_room() -> None:
    kept = [{"name": "kept", "chain": [{"use": "withhold", "layers": ["1.*"]}]}]
    with pytest.raises(ConfigError, match=r"adversary\.does\.0: images: 40 images"):
        parse_experiment(tree(does=[{**LSB, "images": 40}], defenses=kept))


def test_options_are_axes() -> None:
    campaign = parse_campaign(tree(does=[{**LSB, "bits": [8, 12]}], seed=[1, 2]))
    assert [point.experiment.adversary.does[0]["bits"] for point in campaign.points] == [8, 8, 12, 12]
    assert [dict(point.setting) for point in campaign.points][1:3] == [
        {"adversary.does.0.bits": 8},
        {"adversary.does.0.bits": 12},
    ]
    assert len({point.federation for point in campaign.points}) == 4
    again = [experiment_facts(point.experiment) for point in parse_campaign(campaign.tree).points]
    assert again == [experiment_facts(point.experiment) for point in campaign.points]


def test_each_point_has_a_clean_twin_and_those_alike_share_it() -> None:
    campaign = parse_campaign(tree(does=[{**LSB, "bits": [8, 12]}], seed=[1, 2]))
    assert [point.twin for point in campaign.points] == ["seed=1 untampered", "seed=2 untampered"] * 2
    assert parse_campaign(tree()).points[0].twin == "untampered"
    assert parse_campaign(tree(does=[], attack=None)).points[0].twin is None


def test_a_point_where_nobody_tampers_is_the_twin() -> None:
    campaign = parse_campaign(tree(does=[[], [LSB]], attack=None))
    assert [point.twin for point in campaign.points] == [None, campaign.points[0].federation]


def test_every_option_is_part_of_what_a_federation_is_run_from() -> None:
    short, long = (parse_experiment(tree(does=[one])) for one in (LSB, {**LSB, "guard": 6}))
    other = parse_experiment(tree(does=[{**LSB, "guard": 5}]))
    assert settings_facts(short) == settings_facts(long) != settings_facts(other)
    assert experiment_facts(short)["adversary"]["does"][0]["guard"] == 6


def test_it_travels_in_the_run_config() -> None:
    experiment = parse_experiment(tree())
    settings = {name: getattr(experiment, name) for name in PlanSettings.model_fields}
    plan = FederationPlan(**settings, recordings="r", vault="v")
    assert FederationPlan.from_run_config(plan.to_run_config()) == plan
    assert [one.name for one in plan.tampering()] == ["lsb-encoding"]
