"""What a comparison adds to an experiment."""

import pytest

from fedleak.errors import ConfigError
from fedleak.experiment.comparison import compared
from fedleak.experiment.experiment import unlabeled
from fedleak.experiment.grid import parse_campaign
from fedleak.experiment.naming import labeled_attacks

TREE = {
    "name": "tiny",
    "task": "digits-mlp",
    "seed": 3,
    "attacks": [{"use": "inverting-gradients", "steps": 7}, {"use": "bias-sign"}],
    "defenses": [{"name": "sparse", "chain": [{"use": "top-k", "fraction": 0.1}]}],
}
GRID = {"use": "inverting-gradients", "steps": [7, 9]}
BIAS = {"use": "bias-sign"}


def test_an_attack_that_adapts_has_a_control_and_one_that_learns_beside_it():
    found = compared({**TREE, "tuning": {"seeds": [9]}, "attacks": [GRID, BIAS]}, 5)["attacks"]
    control = {"use": "plain", "attack": GRID, "label": "inverting-gradients plain"}
    assert found == [GRID, control, BIAS, {"use": "lti"}]


def test_what_learns_from_updates_is_left_out_where_models_alone_are_attacked():
    asking = {"use": "confidence-inversion"}
    label = [{"name": "label", "chain": [{"use": "label-only"}]}]
    held = {"adversary": {"queries": 10, "lacks": [0]}, "federation": {"release": "last"}}
    of_models = {**TREE, **held, "attacks": [asking, {"use": "mi-face"}], "defenses": label}
    control = {"use": "plain", "attack": asking, "label": "confidence-inversion plain"}
    assert compared(of_models, 5)["attacks"] == [asking, control, {"use": "mi-face"}]
    assert compared({**of_models, "attacks": [asking, BIAS]}, 5)["attacks"][-1] == {"use": "lti"}


def test_both_forms_are_tuned_on_the_same_options_which_the_file_leaves_open():
    tree = compared(TREE, 5)
    adaptive = [one for one in tree["attacks"] if one["use"] == "inverting-gradients"]
    plain = [one["attack"] for one in tree["attacks"] if one["use"] == "plain"]
    assert plain == [unlabeled(one) for one in adaptive]
    assert {one.get("total_variation") for one in adaptive} == {None, 1e-3, 0.1, 0.3, 1.0}
    assert {one.get("restarts") for one in adaptive} == {None, 4}
    assert {one["steps"] for one in adaptive} == {7}
    assert tree["tuning"] == {"seeds": [8, 9], "only_chosen": True}


def test_each_combination_tunes_on_seeds_beyond_all():
    entries = [{"name": "a", "seed": [90, 91], "federation": {"batch_size": 2}}, {"name": "b"}]
    assert compared({**TREE, "vary": entries}, 3)["tuning"]["seeds"] == [92, 93]


def test_it_runs_on_several_seeds_with_an_undefended_row():
    campaign = parse_campaign(compared(TREE, 5))
    assert [point.experiment.seed for point in campaign.points if point.split == "test"] == [3, 4, 5, 6, 7]
    assert [row.name for row in campaign.points[0].experiment.defenses] == ["none", "sparse"]
    assert "inverting-gradients plain" in labeled_attacks(campaign.points[0].experiment)


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
    points = parse_campaign(compared({**TREE, "vary": entries}, 1)).points
    hidden, plain, *tuning = (point for point in points)
    assert [point.split for point in tuning] == ["tuning", "tuning"]
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
