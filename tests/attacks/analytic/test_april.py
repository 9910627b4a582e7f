"""APRIL finds the one image behind a vision transformer's update, and says where its equations do not hold."""

from dataclasses import replace

import pytest
import torch

from fedleak import api
from fedleak.attacks.analytic.april import April
from fedleak.attacks.parts.linear_layers.pixelwise import Pixelwise
from fedleak.attacks.parts.patch_tokens import PatchTokens, find_tokens, sharpened
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.models.vit import VisionTransformer, ViT
from fedleak.randomness import generator, seeded


class Residual(VisionTransformer):
    """The tokens also go round the attention."""

    def forward(self, images):
        tokens = self.embedding(images).flatten(2).transpose(1, 2) + self.position
        attended = tokens + self.attention(tokens)
        return self.head((attended + self.mlp(attended)).mean(1))


def nothing_before(pixels: int) -> Pixelwise:
    """The embedding sees the image itself."""
    return Pixelwise(scale=torch.ones(pixels, dtype=torch.float64), shift=torch.zeros(pixels, dtype=torch.float64))


def transformer(seed: int = 0) -> Task:
    with seeded("tiny transformer", seed):
        return Task("tiny-vit", ViT(grid=2, width=24, heads=2).network((1, 6, 6), 4), (1, 6, 6), 4)


def attacked(observation, **options):
    return April(**options).run(observation, generator(0))


@pytest.mark.slow
@pytest.mark.parametrize("embedding", [True, False])
def test_one_image_is_found_and_certified(embedding, observe, batch_of):
    for seed in range(5):
        task = transformer(seed)
        batch = batch_of(task, 1, seed)
        guess = attacked(observe(task, batch), embedding=embedding)
        assert (guess.inputs - batch.inputs).abs().max() < 1e-2
        assert guess.labels.tolist() == batch.labels.tolist()
        assert guess.certificate is not None


@pytest.mark.slow
def test_derivatives_computed_at_the_guess_make_it_sharper(observe, batch_of):
    with seeded("sharper"):
        task = Task("vit", ViT().network((1, 28, 28), 4), (1, 28, 28), 4)
    errors = []
    for seed in range(3):
        batch = batch_of(task, 1, seed)
        observation = observe(task, batch, LocalTraining(batch_size=1))
        tokens, guess = find_tokens(task), April(embedding=False).run(observation, generator(0))
        sharper = sharpened(observation, tokens, nothing_before(28 * 28), guess.inputs, batch.labels, 8)
        errors.append([float((one - batch.inputs).square().mean()) for one in (guess.inputs, sharper)])
    assert all(after < 0.2 * before for before, after in errors), errors


def test_an_unknown_learning_rate_does_not_matter(observe, batch_of):
    task = transformer()
    batch = batch_of(task, 1)
    unknown = replace(observe(task, batch), training=LocalTraining(batch_size=1, learning_rate=None))
    for embedding in (True, False):
        guess = attacked(unknown, embedding=embedding)
        assert (guess.inputs - batch.inputs).abs().max() < 1e-2
        assert guess.certificate is None


def test_a_residual_breaks_the_attention_s_equations_but_not_the_embedding_s(observe, batch_of):
    with seeded("residual"):
        task = Task("residual-vit", Residual(1, (3, 3), 4, 24, 2, 4), (1, 6, 6), 4)
    batch = batch_of(task, 1)
    assert "unexplained" in attacked(observe(task, batch), embedding=False).failure
    assert (attacked(observe(task, batch)).inputs - batch.inputs).abs().max() < 1e-2


def test_patches_are_laid_where_they_were_cut_out():
    with seeded("layout"):
        task = Task("vit", ViT(grid=2, width=24, heads=2).network((3, 6, 4), 4), (3, 6, 4), 4)
    tokens = find_tokens(task)
    assert isinstance(tokens, PatchTokens)
    image = torch.rand(1, 3, 6, 4, generator=generator("layout"))
    patches = torch.nn.functional.unfold(image, (3, 2), stride=(3, 2))[0].T
    assert torch.equal(tokens.image(patches.double(), task, nothing_before(72)).float(), image)


@pytest.mark.slow
def test_behind_normalization_the_image_is_as_exact():
    task = {"data": "photos", "network": "vit", "normalize": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}}
    (captured,) = api.capture(task, clients=1)
    for embedding in (True, False):
        guess = api.attack(captured, "april", embedding=embedding)
        assert guess.failure is None
        assert (guess.inputs - captured.truth.inputs).abs().max() < 0.01


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 8, 8), (1, 7, 7)])
def test_the_model_fits_images_of_any_size(shape):
    with seeded("sizes"):
        logits = ViT(width=16).network(shape, 5)(torch.zeros(2, *shape))
    assert logits.shape == (2, 5)
    assert torch.isfinite(logits).all()


def test_other_networks_and_updates_get_a_reason(smooth_task, observe, batch_of):
    assert "is not a transformer of the form" in attacked(observe(smooth_task, batch_of(smooth_task, 1))).failure
    task = transformer()
    two = observe(task, batch_of(task, 2))
    assert "is for one example, and 2" in attacked(two).failure
    assert "unexplained" in attacked(replace(two, num_examples=1)).failure
    steps = observe(task, batch_of(task, 1), LocalTraining(batch_size=1, epochs=3))
    assert "one local step, and 3" in attacked(steps).failure
    assert "masked" in attacked(replace(observe(task, batch_of(task, 1)), masked=True)).failure
    with seeded("many tokens"):
        many = Task("many", ViT(grid=6, width=24, heads=2).network((1, 6, 6), 4), (1, 6, 6), 4)
    assert "36 tokens of 'many' are more than the 24" in attacked(observe(many, batch_of(many, 1))).failure
