"""Priors of columns: variation of neighbors, and normal distributions of public examples."""

import torch

from fedleak.attacks.split.regularised_likelihood import Normal, power_variation, public_mean
from fedleak.learning.images import Images
from fedleak.learning.table import Column, Table
from fedleak.randomness import generator
from tests.attacks.split.tiny import examples

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
