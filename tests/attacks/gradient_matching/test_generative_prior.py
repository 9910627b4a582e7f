"""Batches found in the latent space of a generator of public images."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.gradient_matching.generative_prior import GGL
from fedleak.attacks.label_inference.batch_counts import BatchCounts
from fedleak.attacks.parts.learning.autoencoder import learn_autoencoder
from fedleak.contracts.chain import Chain
from fedleak.defenses.gaussian_noise import GaussianNoise
from fedleak.defenses.top_k import TopK
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

QUICK = GGL(training_steps=300, latent=6, restarts=2)


def blobs(examples, seed):
    """A bright spot of random place and size on 6x6 pixels; the label is the quarter it is in."""
    rng = generator("blobs", seed)
    places, radii = 5 * torch.rand(examples, 2, generator=rng), 1 + torch.rand(examples, generator=rng)
    grid = torch.stack(torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij"))
    distances = (grid - places[:, :, None, None]).square().sum(1)
    images = torch.exp(-distances / radii[:, None, None] ** 2)[:, None]
    return Batch(images, (places > 2.5).long() @ torch.tensor([2, 1]))


def ratio(guess, batch, public):
    blind = (public.inputs.mean(0) - batch.inputs).square().mean()
    return float((guess.inputs - batch.inputs).square().mean() / blind)


def defended(seen, defense, public, dice):
    chain = Chain(defense)
    update = chain.protect(seen.update, generator(dice))
    return replace(seen, update=update, defense=chain, auxiliary=public)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "defense"),
    [
        ("smooth_task", ()),
        ("smooth_task", (TopK(fraction=0.05),)),
        ("linear_task", (TopK(fraction=0.05),)),
        ("linear_task", (GaussianNoise(std=1e-3),)),
    ],
    ids=repr,
)
def test_it_is_nearer_than_the_mean_public_image(kind, defense, request, observe):
    task, public, batch = request.getfixturevalue(kind), blobs(200, "public"), blobs(1, 0)
    guess = QUICK.run(defended(observe(task, batch), defense, public, 0), generator(0))
    assert ratio(guess, batch, public) < 0.3


@pytest.mark.slow
def test_where_noise_drowns_the_image_the_prior_takes_over(smooth_task, observe):
    public, batch = blobs(200, "public"), blobs(1, 0)
    guess = QUICK.run(defended(observe(smooth_task, batch), (GaussianNoise(std=0.1),), public, 0), generator(0))
    assert ratio(guess, batch, public) < 2


@pytest.mark.slow
def test_evolution_finds_the_same_batch_without_gradients(linear_task, observe):
    public, batch = blobs(200, "public"), blobs(1, 0)
    attack = replace(QUICK, search="cma-es", steps=60, restarts=1)
    seen = replace(observe(linear_task, batch), auxiliary=public)
    assert ratio(attack.run(seen, generator(0)), batch, public) < 0.3


@pytest.mark.slow
def test_the_same_dice_give_the_same_guess(linear_task, observe):
    seen = defended(observe(linear_task, blobs(3, 0)), (GaussianNoise(std=1e-3),), blobs(40, "public"), 0)
    one, two = (GGL(training_steps=3, steps=3, labels=BatchCounts()).run(seen, generator(4)) for _ in range(2))
    assert torch.equal(one.inputs, two.inputs)
    assert one.mismatch == two.mismatch
    assert one.inputs.shape == (3, 1, 6, 6)


def test_without_public_data_it_says_so(linear_task, observe):
    failure = QUICK.run(observe(linear_task, blobs(1, 0)), generator(0)).failure
    assert failure == "a generator needs public images, at least 20, and there are 0"


@pytest.mark.slow
def test_the_decoder_draws_held_out_images_from_their_codes(linear_task):
    trained = learn_autoencoder(linear_task, blobs(200, "public"), 6, 300, generator(0))
    other = blobs(50, "other")
    codes, _ = trained.encoder(other.inputs, other.labels)
    drawn = trained.decoder(codes, other.labels)
    assert (drawn - other.inputs).square().mean() < 0.15 * (other.inputs - other.inputs.mean(0)).square().mean()
    assert not any(parameter.requires_grad for parameter in trained.decoder.parameters())
