"""Regularised likelihood: what a bottom keeps of columns comes back; what it loses, or noise covers, is the prior."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attacks.split.regularised_likelihood import Normal, RegularisedLikelihood, power_variation, public_mean
from fedleak.contracts.chain import Chain
from fedleak.defenses.cut_noise import CutNoise
from fedleak.learning.images import Images
from fedleak.learning.table import Column, Table
from fedleak.randomness import generator
from tests.attacks.split.conftest import looking
from tests.attacks.split.tiny import cut_of_bottoms, examples, linear

ATTACK = RegularisedLikelihood(smoothness=0.0, steps=120, learning_rate=0.05)
PLACES = ([0], [1, 2, 3, 4])


def guessed(attack, view):
    made = attack.run(view, generator("guess"))
    assert made.failure is None, made.failure
    return made.columns


@pytest.mark.slow
def test_an_invertible_linear_bottom_gives_columns_back_of_each_sender_in_its_place():
    truth = examples(6, 1)
    view = cut_of_bottoms([linear(2, 2), linear(4, 6), linear(4, 4)], [[2], [4, 1], [0, 3]], truth, party=None)
    assert view.places == (0, 1, 3, 4)
    torch.testing.assert_close(guessed(ATTACK, view), truth[..., [0, 1, 3, 4]], rtol=0, atol=1e-3)


def test_columns_of_a_table_come_back_and_nobody_is_their_neighbor():
    table = Table(columns=tuple(Column(name) for name in "abcd"), label="y", classes=("no", "yes"))
    truth = 2 * examples(5, 2, (4,)) - 1
    view = cut_of_bottoms([linear(1, 1), linear(3, 3)], [[0], [1, 2, 3]], truth, space=table)
    made = guessed(RegularisedLikelihood(smoothness=10.0, steps=120, learning_rate=0.05), view)
    torch.testing.assert_close(made, truth[:, 1:], rtol=0, atol=1e-3)


def test_a_bottom_that_keeps_nothing_leaves_the_prior():
    blank = linear(8, 3)
    nn.init.zeros_(blank[1].weight)
    public, truth = examples(50, 3), examples(6, 4)
    view = cut_of_bottoms([linear(2, 2), blank], PLACES, truth, public=public)
    mean = public.mean(0)[..., 1:].expand(6, -1, -1, -1)
    torch.testing.assert_close(guessed(ATTACK, view), mean)
    middle = guessed(RegularisedLikelihood(smoothness=0.0, steps=3, start="middle"), view)
    assert (middle == 0.5).all()


def test_smoothness_draws_neighbors_together():
    truth = examples(4, 5)
    view = cut_of_bottoms([linear(2, 2), linear(8, 2)], PLACES, truth, public=examples(50, 6))
    made = [guessed(RegularisedLikelihood(smoothness=one, steps=100), view) for one in (0.0, 1.0)]
    steps = [one.diff(dim=-1).square().mean() for one in made]
    assert steps[1] < 0.5 * steps[0]


@pytest.mark.slow
def test_batch_norm_is_gone_through_as_the_batch_was():
    norm = nn.Sequential(linear(8, 8), nn.BatchNorm1d(8))
    truth, public = examples(12, 7), examples(50, 8)
    for mode in ("train", "eval"):
        view = cut_of_bottoms([linear(2, 2), norm], PLACES, truth, public=public, mode=mode)
        made = guessed(RegularisedLikelihood(smoothness=0.0, steps=600), view)
        error = (made - truth[..., 1:]).square().mean()
        blind = (public.mean(0)[..., 1:] - truth[..., 1:]).square().mean()
        # Mean and length of each neuron over the batch are lost in train mode, and the start says as much of them.
        assert error < (0.2 * blind if mode == "train" else 1e-6)


def test_dropout_below_the_cut_is_refused():
    view = cut_of_bottoms([linear(2, 2), nn.Sequential(linear(8, 8), nn.Dropout(0.5))], PLACES, examples(4, 9))
    made = ATTACK.run(view, generator("guess"))
    assert made.failure is not None
    assert made.failure.startswith("the bottom network of party 1 draws at random in training (dropout)")


def test_without_access_it_refuses():
    view = cut_of_bottoms([linear(2, 2), linear(8, 8)], PLACES, examples(4, 10), access="")
    made = ATTACK.run(view, generator("guess"))
    assert made.failure == "it needs the bottom network of party 1, which this adversary cannot use"


@pytest.mark.slow
def test_known_noise_is_weighed_against_public_examples_as_in_closed_form():
    """Of a linear bottom W x + b and normal noise the mode is `m + C W' (W C W' + s² I)^-1 (z - W m - b)`."""
    scale, truth, public = 0.05, examples(6, 11), examples(60, 12)
    chain = Chain((CutNoise(scale=scale),))
    bottom = linear(8, 8)
    view = cut_of_bottoms([linear(2, 2), bottom], PLACES, truth, public=public, chain=chain)
    attack = RegularisedLikelihood(steps=600, learning_rate=0.05)
    assert attack.adapts_to(chain)
    assert not RegularisedLikelihood(adaptive=False).adapts_to(chain)
    prior = Normal.of(Images(1, 2, 4), public[..., 1:])
    weight, bias, sent = bottom[1].weight, bottom[1].bias, view.exchanges[0].embeddings[1]
    covariance = prior.factor @ prior.factor.T
    drawn = attack_variance(view, scale)
    gain = covariance @ weight.T @ torch.linalg.inv(weight @ covariance @ weight.T + drawn * torch.eye(8))
    closed = prior.mean + (sent - prior.mean @ weight.T - bias) @ gain.T
    torch.testing.assert_close(guessed(attack, view).flatten(1), closed.detach().clamp(0, 1), rtol=0, atol=3e-3)


def attack_variance(view, scale):
    """What the attack measures on its own draws is about 2 scale²; the closed form takes the exact one."""
    from fedleak.attacks.parts.cut import sender_of

    rng = generator("guess")
    measured = sender_of(view, 1, rng).noise_variance(rng)
    assert measured == pytest.approx(2 * scale**2, rel=0.5)
    return measured


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.0, 0.001])
def test_a_bound_alone_is_no_protection_from_who_knows_it(scale):
    """Embeddings that are scaled down say the same of the columns but for their length."""
    public, truth = examples(50, 8), examples(6, 9)
    bottoms, chain = [linear(2, 2), linear(8, 16)], Chain((CutNoise(scale=scale, max_norm=0.5),))
    view = cut_of_bottoms(bottoms, PLACES, truth, public=public, chain=chain)
    prior = (public.mean(0)[..., 1:] - truth[..., 1:]).square().mean()
    knowing, plain = (
        (guessed(replace(ATTACK, steps=400, adaptive=adaptive), view) - truth[..., 1:]).square().mean()
        for adaptive in (True, False)
    )
    assert knowing < 0.5 * prior
    assert knowing < plain


def test_much_noise_leaves_the_prior_and_who_ignores_it_does_worse():
    truth, public = examples(8, 13), examples(60, 14)
    view = cut_of_bottoms(
        [linear(2, 2), linear(8, 8)], PLACES, truth, public=public, chain=Chain((CutNoise(scale=20.0),))
    )
    mean = public.mean(0)[..., 1:].expand(8, -1, -1, -1)
    torch.testing.assert_close(guessed(ATTACK, view), mean, rtol=0, atol=0.02)
    ignoring = guessed(RegularisedLikelihood(smoothness=0.0, steps=100, adaptive=False), view)
    assert (ignoring - truth[..., 1:]).square().mean() > 3 * (mean - truth[..., 1:]).square().mean()


def test_same_dice_same_guess():
    view = cut_of_bottoms(
        [linear(2, 2), linear(8, 3)],
        PLACES,
        examples(4, 15),
        public=examples(20, 16),
        chain=Chain((CutNoise(scale=1.0),)),
    )
    short = RegularisedLikelihood(steps=5)
    first, second = (short.run(view, generator(7)) for _ in range(2))
    assert torch.equal(first.columns, second.columns)
    assert first.mismatch == second.mismatch


@pytest.mark.slow
def test_halves_of_digits_come_back_from_a_convolution(tmp_path):
    look = looking(tmp_path, "digits-lenet5", cut=1, batch_size=8, batches=1)
    for who in (0, "relay"):
        view, challenge = look(who, "columns", bottoms="weights", auxiliary=64)
        made = guessed(RegularisedLikelihood(steps=300), view)
        truth = challenge.candidates.inputs[..., list(view.places)]
        assert (made - truth).square().mean() < 1e-3


SPACE = Images(1, 2, 5)


def test_exponent_one_is_total_variation_and_two_is_of_squares():
    images = examples(3, 1)
    assert torch.allclose(power_variation(SPACE, images, 1.0).mean(), SPACE.variation(images))
    by_hand = images.diff(dim=-1).square().mean() + images.diff(dim=-2).square().mean()
    assert torch.allclose(power_variation(SPACE, images, 2.0).mean(), by_hand)


def test_a_single_column_and_a_table_have_no_neighbors_across():
    one = examples(3, 1)[..., :1]
    assert torch.allclose(power_variation(SPACE, one, 2.0).mean(), one.diff(dim=-2).square().mean())
    table = Table(columns=(Column("a"), Column("b")), label="y", classes=("no", "yes"))
    assert (power_variation(table, torch.rand(3, 2, generator=generator(1)), 2.0) == 0).all()


def test_a_normal_distribution_has_the_moments_of_many_examples():
    rng = generator("moments")
    mixing = torch.randn(10, 10, generator=rng) / 30
    public = (0.5 + torch.randn(20_000, 10, generator=rng) @ mixing.T).reshape(-1, 1, 2, 5)
    prior = Normal.of(SPACE, public)
    torch.testing.assert_close(prior.mean, public.flatten(1).mean(0))
    torch.testing.assert_close(prior.factor @ prior.factor.T, public.flatten(1).T.cov(), rtol=0.05, atol=2e-4)
    torch.testing.assert_close(prior.at(torch.zeros(1, 10))[0], prior.mean)


def test_without_public_examples_it_is_as_wide_as_the_range():
    prior = Normal.of(SPACE, None)
    assert (prior.mean == 0.5).all()
    torch.testing.assert_close(prior.factor, torch.eye(10) / 12**0.5)
    assert (public_mean(SPACE, None) == 0.5).all()
    assert torch.equal(public_mean(SPACE, examples(4, 1)), examples(4, 1).mean(0))
