"""Decoders: shapes of what they lead back to, where they begin, and that the best look at held-out examples counts."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge
from torch import nn

from fedleak.attacks.parts.learning.decoder import Pairs, Regression, Training, learn_decoder
from fedleak.randomness import generator
from tests.attacks.split.tiny import examples


def training(steps, **changed):
    return Training(**{"width": 4, "hidden": 16, "steps": steps, "learning_rate": 0.01, **changed})


@pytest.mark.parametrize("maps", [(3, 8, 6), (3, 4, 3), (3, 6, 4), (3, 2, 2), (3, 9, 7), (3, 1, 1), (24,)])
def test_what_comes_back_is_columns_in_shape(maps):
    rng = generator("maps")
    pairs = [Pairs(torch.rand(count, *maps, generator=rng), examples(count, 1, (2, 8, 6))) for count in (12, 4)]
    decoder, _ = learn_decoder(pairs[:1], pairs[1], training(2), rng)
    assert decoder(torch.rand(3, *maps, generator=rng)).shape == (3, 2, 8, 6)


def test_a_linear_convolution_is_undone_before_any_training():
    rng = generator("convolution")
    layer = nn.Conv2d(1, 8, 3, padding=1)
    for one in layer.parameters():
        nn.init.normal_(one, generator=rng)
    with torch.no_grad():
        pairs = [Pairs(layer(one), one) for one in (examples(60, 3, (1, 12, 12)), examples(20, 4, (1, 12, 12)))]
    _, error = learn_decoder(pairs[:1], pairs[1], training(1, learning_rate=1e-9), rng)
    assert error < 1e-6


def test_what_does_best_on_held_out_examples_is_kept():
    rng = generator("pairs")
    weight = torch.randn(10, 6, generator=rng)
    known, held_out = (examples(count, count) for count in (20, 10))
    pairs = [Pairs((one.flatten(1) @ weight).relu(), one) for one in (known, held_out)]
    network, error = learn_decoder(pairs[:1], pairs[1], training(300, hidden=64, learning_rate=0.02), rng)
    with torch.no_grad():
        assert float(F.mse_loss(network(pairs[1].embeddings), held_out)) == pytest.approx(error)
    assert error < float(F.mse_loss(known.mean(0).expand_as(held_out), held_out))


def test_what_no_line_says_is_learned_on_top():
    rng = generator("square")
    columns = [torch.rand(count, 1, 1, 1, generator=rng) for count in (200, 50)]
    pairs = [Pairs((one.flatten(1) - 0.5).abs() * (one.flatten(1) - 0.5).sign() ** 2, one) for one in columns]
    folded = [
        Pairs(torch.cat([one.embeddings, (one.columns.flatten(1) > 0.5).float()], 1), one.columns) for one in pairs
    ]
    begun, error = (learn_decoder(folded[:1], folded[1], training(steps), rng)[1] for steps in (1, 300))
    assert error < 0.1 * begun


def test_it_is_that_of_scikit_learn():
    rng = generator("rows")
    seen = torch.randn(50, 6, generator=rng) + 3
    said = seen[:, :2] * 2 - 1 + 0.3 * torch.randn(50, 2, generator=rng)
    found = Regression.on([(seen[:20], said[:20]), (seen[20:], said[20:])])
    unit = float(seen.double().var(0, correction=0).mean())
    for ridge in (1e-6, 0.1, 10.0):
        weight, bias = found.line(ridge)
        oracle = Ridge(alpha=ridge * unit * 50).fit(seen.double().numpy(), said.double().numpy())
        np.testing.assert_allclose(weight.numpy(), oracle.coef_, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(bias.numpy(), oracle.intercept_, rtol=1e-4, atol=1e-4)


def test_features_that_never_change_say_nothing():
    weight, bias = Regression.on([(torch.ones(9, 3), torch.arange(9.0)[:, None])]).line(1e-6)
    assert weight.abs().max() < 1e-6
    torch.testing.assert_close(weight @ torch.ones(3) + bias, torch.tensor([4.0]))
