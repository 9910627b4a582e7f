"""What a comparison adds to an experiment."""

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.comparison import compared
from fedleak.experiment.grid import parse_campaign
from fedleak.experiment.naming import labeled_attacks

TREE = {
    "name": "tiny",
    "task": "digits-mlp",
    "seed": 3,
    "attacks": [{"use": "inverting-gradients", "steps": 7}, {"use": "bias-sign"}],
    "defenses": [{"name": "sparse", "chain": [{"use": "top-k", "fraction": 0.1}]}],
}
KNOWING = {"use": "inverting-gradients", "steps": 7}


def test_an_attack_that_adapts_has_a_control_and_one_that_learns_beside_it():
    found = compared(TREE, 5)["attacks"]
    control = {"use": "plain", "attack": KNOWING, "label": "inverting-gradients plain"}
    assert found == [KNOWING, control, {"use": "bias-sign"}, {"use": "lti"}]


def test_it_runs_on_several_seeds_with_an_undefended_row():
    campaign = parse_campaign(compared(TREE, 5))
    assert [point.experiment.seed for point in campaign.points] == [3, 4, 5, 6, 7]
    assert [row.name for row in campaign.points[0].experiment.defenses] == ["none", "sparse"]
    assert list(labeled_attacks(campaign.points[0].experiment))[1] == "inverting-gradients plain"


def test_what_the_file_has_already_stays():
    written = {**TREE, "seed": [8, 9], "defenses": [{"name": "nothing"}, *TREE["defenses"]]}
    once = compared(written, 5)
    assert once["seed"] == [8, 9]
    assert [row["name"] for row in once["defenses"]] == ["nothing", "sparse"]
    assert compared(once, 5) == once


def test_nothing_is_added_for_defenses_that_nobody_can_adapt_to():
    hidden = {
        **TREE,
        "federation": {"batch_size": 4},
        "defenses": [{"name": "hidden", "chain": [{"use": "instahide"}]}],
    }
    assert all(table["use"] != "plain" for table in compared(hidden, 5)["attacks"])


def test_an_option_with_several_values_is_no_obstacle():
    tables = [{"use": "inverting-gradients", "steps": [5, 6]}]
    campaign = parse_campaign(compared({**TREE, "attacks": tables}, 1))
    labels = list(labeled_attacks(campaign.points[0].experiment))
    assert labels[:2] == ["inverting-gradients steps=5", "inverting-gradients steps=6"]
    assert sum("plain" in label for label in labels) == 2


def test_a_defense_with_several_values_is_no_obstacle_either():
    noisy = {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": [1e-4, 1e-3]}]}
    first = parse_campaign(compared({**TREE, "defenses": [noisy]}, 1)).points[0].experiment
    assert [row.name for row in first.defenses] == ["none", "noisy std=0.0001", "noisy std=0.001"]
    assert "inverting-gradients plain" in labeled_attacks(first)


def test_each_combination_is_completed_by_itself():
    entries = [
        {
            "name": "hidden",
            "defenses": [{"name": "x", "chain": [{"use": "instahide"}]}],
            "federation": {"batch_size": 4},
        },
        {"name": "as is"},
    ]
    hidden, plain = parse_campaign(compared({**TREE, "vary": entries}, 1)).points
    assert [row.name for row in hidden.experiment.defenses] == ["none", "x"]
    assert "inverting-gradients plain" not in labeled_attacks(hidden.experiment)
    assert "inverting-gradients plain" in labeled_attacks(plain.experiment)


def test_a_mistake_is_told_by_its_place_in_the_file():
    wrong = {"name": "x", "chain": [{"use": "top-k", "fraction": [0.1, -1.0]}]}
    with pytest.raises(ConfigError, match=r"^defenses\.1\.chain\.0\.fraction"):
        compared({**TREE, "defenses": [*TREE["defenses"], wrong]}, 2)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"attacks": []}, "at least one attack"),
        ({"defenses": [{"name": "none"}]}, "at least one defense"),
        ({"attacks": [{"use": "dgl"}]}, "did you mean 'dlg'"),
        ({"defenses": [{"name": "x", "chain": [{"use": "top-k"}]}]}, "fraction"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(changed, words):
    with pytest.raises(ConfigError, match=words):
        parse_campaign(compared({**TREE, **changed}, 2))
