"""Where a defense was tried, and whether it does anything there."""

import pytest

from fedleak.analysis.conditions import Condition, defended_in
from fedleak.experiment.campaign import Campaign, Point
from fedleak.experiment.experiment import parse_experiment

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
