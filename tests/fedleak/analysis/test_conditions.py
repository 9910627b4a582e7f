"""Where a defense was tried, and whether it does anything there."""

import pytest

from fedleak.analysis.conditions import Condition, defended_in, is_diagnostic
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.experiment import parse_experiment
from fedleak.experiment.grid import parse_campaign

TREE = {"name": "x", "task": "digits-mlp", "metrics": ["psnr"], "federation": {}, "attacks": [{"use": "dlg"}]}
NOISE = [{"use": "gaussian-noise", "std": 1e-2}]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ((), "digits-mlp"),
        ((("federation.batch_size", 4), ("vary", "two epochs")), "digits-mlp, batch_size=4, two epochs"),
    ],
)
def test_a_condition_in_words(setting, words):
    assert Condition(task="digits-mlp", setting=setting).words == words


def test_a_name_may_mean_nothing_in_one_setting_and_noise_in_another():
    points = tuple(
        Point(
            experiment=parse_experiment({**TREE, "defenses": [{"name": "ours", "chain": chain}]}), setting={"vary": v}
        )
        for v, chain in (("plain", []), ("noisy", NOISE))
    )
    assert defended_in(Campaign(points=points, tree={})) == {
        (Condition(task="digits-mlp", setting=(("vary", "plain"),)), "ours"): False,
        (Condition(task="digits-mlp", setting=(("vary", "noisy"),)), "ours"): True,
    }


@pytest.mark.parametrize(
    ("changes", "diagnostic"),
    [
        ({}, True),
        ({"federation": {"batch_size": 8}}, False),
        ({"federation": {"epochs": 2}}, False),
        ({"federation": {"batches": "all"}}, False),
        ({"federation": {"rounds": 2}}, False),
        ({"model": {"trained_rounds": 1}}, False),
        ({"model": {"checkpoint": "weights.pt"}}, False),
        ({"federation": {"batch_size": [1, 8]}}, False),
    ],
)
def test_one_step_on_one_example_from_fresh_weights_is_the_diagnostic_setting(changes, diagnostic):
    assert is_diagnostic(parse_campaign({**TREE, **changes})) is diagnostic
