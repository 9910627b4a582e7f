"""What two experiment files differ in, but for what is under test."""

from fedleak.experiment.grid import parse_campaign
from fedleak.gate.baseline import differences

FILE = {
    "name": "one",
    "seed": [1, 2],
    "task": "digits-mlp",
    "federation": {"batch_size": [1, 4]},
    "attacks": [{"use": "dlg", "steps": 60}, {"use": "bias-sign"}],
    "defenses": [{"name": "none"}],
}


def tree(**changed):
    return parse_campaign({**FILE, **changed}).tree


def test_name_seeds_and_defenses_are_free():
    noise = {"name": "noise", "chain": [{"use": "gaussian-noise", "std": 0.1}]}
    assert differences(tree(name="two", seed=7, defenses=[noise]), tree()) == []


def test_each_setting_that_differs_is_named_with_both_values():
    attacks = [{"use": "dlg", "steps": 1}, {"use": "bias-sign"}]
    assert differences(tree(attacks=attacks), tree()) == ["attacks.0.steps: 60 in the baseline, 1 here"]
    assert differences(tree(federation={"batch_size": 4}), tree()) == [
        "federation.batch_size: [1, 4] in the baseline, 4 here"
    ]
    assert differences(tree(metrics=["psnr"]), tree(metrics=["psnr", "ssim"])) == [
        "metrics: [psnr, ssim] in the baseline, [psnr] here"
    ]


def test_an_option_that_is_not_written_counts_as_its_default():
    assert differences(tree(model={"trained_rounds": 0}), tree()) == []
    assert differences(tree(model={"trained_rounds": 3}), tree()) == ["model.trained_rounds: 0 in the baseline, 3 here"]


def test_what_only_one_has_is_named_too():
    found = differences(tree(), tree(tuning={"seeds": [8]}, attacks=[{"use": "dlg", "steps": [60, 70]}]))
    assert "tuning.seeds: [8] in the baseline, nothing here" in found
    assert "attacks.1.use: nothing in the baseline, bias-sign here" in found


def test_combinations_are_told_apart_by_name_and_may_differ_in_defenses():
    def named(*entries):
        return tree(vary=list(entries))

    small, large = {"name": "small", "federation": {"clients": 2}}, {"name": "large", "federation": {"clients": 8}}
    assert differences(named(small, large), named(large, small)) == []
    assert differences(named(small), named({**small, "defenses": [{"name": "x"}]})) == []
    assert differences(named(small), named({**small, "federation": {"clients": 3}})) == [
        "vary.small.federation.clients: 3 in the baseline, 2 here"
    ]
