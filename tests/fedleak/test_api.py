"""Capture, attack and score from Python, also with a model of one's own."""

import math

import pytest
import torch
from torch import nn

from fedleak.api import attack, capture, observe, score
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

IMAGES = torch.rand(4, 1, 5, 5, generator=generator("images"))
LABELS = torch.tensor([0, 2, 1, 2])


def model() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(25, 12), nn.ReLU(), nn.Linear(12, 3))


def test_one_s_own_model_is_observed_and_left_alone() -> None:
    mine = model().train()
    held = {name: value.clone() for name, value in mine.state_dict().items()}
    captured = observe(mine, IMAGES[:1], LABELS[:1])
    psnr, recall = score(attack(captured, "analytic-linear"), captured, ["psnr", "label-recall"])
    assert psnr.value > 60 > psnr.baseline
    assert recall.value == 1
    assert mine.training
    assert all(torch.equal(value, held[name]) for name, value in mine.state_dict().items())


def test_a_smaller_batch_means_more_steps_and_says_so() -> None:
    facts = observe(model(), IMAGES, LABELS, batch_size=3).observation.training
    assert (facts.batch_size, facts.batches, facts.steps) == (3, 2, 2)


def test_a_defense_acts_as_in_a_federation() -> None:
    captured = observe(model(), IMAGES, LABELS, defense=[{"use": "top-k", "fraction": 0.1}])
    vector = captured.observation.update.vector()
    assert 0 < int((vector != 0).sum()) <= -(-len(vector) // 10)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"defense": [{"use": "secure-aggregation"}]}, "needs a federation of several clients"),
        ({"learning_rat": 0.1}, "learning_rat: unknown field; did you mean 'learning_rate'"),
        ({"learning_rate": None}, "learning_rate: expected"),
        ({"batch_size": 0}, "batch_size: expected"),
    ],
)
def test_what_cannot_be_observed_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        observe(model(), IMAGES, LABELS, **options)


def test_a_capture_is_one_for_each_message() -> None:
    captures = capture("digits-mlp", clients=3, rounds=2, defense=[{"use": "secure-aggregation"}])
    assert [one.observation.masked for one in captures] == [True, True, True, False] * 2
    assert len(captures[3].truth) == 3
    with pytest.raises(ConfigError, match="2 clients or more"):
        capture("digits-mlp", clients=1, defense=[{"use": "secure-aggregation"}])


def test_scores_have_both_blind_guesses_beside_them() -> None:
    public = Batch(torch.rand(9, 1, 5, 5, generator=generator("public")), torch.arange(9) % 3)
    with_data = observe(model(), IMAGES[:1], LABELS[:1], auxiliary=public)
    figure = score(attack(with_data, "analytic-linear"), with_data, ["psnr"])[0]
    assert figure.value > figure.baseline > figure.no_gradient
    without = observe(model(), IMAGES[:1], LABELS[:1])
    figure = score(attack(without, "analytic-linear"), without, ["psnr"])[0]
    assert figure.value > figure.baseline
    assert math.isnan(figure.no_gradient)
