"""The floor that is told is the error that there is."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.defenses.clipping import Clipping
from fedleak.defenses.gaussian_noise import GaussianNoise
from fedleak.defenses.laplace_noise import LaplaceNoise
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import Update, UpdateKind
from fedleak.profile.noise_floor import floor_of, gradient_at_truth, noise_in, scale_of


def residual(subject) -> float:
    observed, exact = subject.observation.gradient(), gradient_at_truth(subject, torch.float64)
    squares = torch.cat([(observed[name].double() - value).square().reshape(-1) for name, value in exact.items()])
    return float(squares.mean().sqrt())


@pytest.mark.parametrize("learning_rate", [1.0, 0.1, 0.001])
@pytest.mark.parametrize("kind", ["mlp", "conv", "batch-norm"])
def test_undefended_it_is_rounding(make_subject, kind, learning_rate):
    subject = make_subject(kind, 3, learning_rate=learning_rate)
    assert floor_of(subject).total == pytest.approx(residual(subject), rel=0.5)


@pytest.mark.parametrize("defense", [GaussianNoise(std=0.01), LaplaceNoise(scale=0.01)])
def test_noise_is_told_in_units_of_the_gradient(make_subject, defense):
    subject = make_subject("mlp", 3, learning_rate=0.1, defense=[defense])
    assert floor_of(subject).total == pytest.approx(residual(subject), rel=0.15)


def test_noise_of_a_chain_adds_in_squares():
    chain = Chain((Clipping(max_norm=1.0), GaussianNoise(std=0.3), GaussianNoise(std=0.4)))
    assert noise_in(chain, LocalTraining()) == pytest.approx(0.5)
    assert noise_in(Chain(), LocalTraining()) == 0.0


def test_an_unknown_length_has_no_scale(make_subject):
    subject = make_subject("mlp", 2)
    assert scale_of(subject) == pytest.approx(0.1)
    assert scale_of(replace(subject, training=replace(subject.training, learning_rate=None))) == 1.0


def test_a_gradient_is_not_a_difference_of_weights(make_subject):
    subject = make_subject("mlp", 2)
    update = Update(subject.observation.gradient(), UpdateKind.GRADIENT)
    direct = replace(subject, observation=replace(subject.observation, update=update))
    assert floor_of(direct).rounding == 0.0
    assert scale_of(direct) == 1.0


def test_without_the_truth_arithmetic_is_unknown_and_the_rest_is_told(make_subject):
    found = floor_of(make_subject("mlp", 2, truth=False))
    assert found.arithmetic != found.arithmetic
    assert found.total == found.rounding > 0
