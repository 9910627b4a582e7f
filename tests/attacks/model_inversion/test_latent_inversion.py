"""Latent inversion: the image of a class that a released model is sure of, among those that a generator makes."""

import pytest
import torch

from fedleak.attacks.parts.generators.linear import fit_principal_components
from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


@pytest.fixture
def view(trained, release):
    task, drawn = trained
    public = drawn(400, "public")
    return release(task, classes=(3, 0), auxiliary=public[(public.labels % 3).nonzero()[:, 0]])


def guess(view, **options):
    short = {"steps": 100, "training_steps": 30, **options}
    return attacks.build("latent-inversion", short).run(view, generator("latent inversion"))


def confidences(view, images):
    scores = view.task.logits(view.weights, images, mode="eval").softmax(1)
    return scores[range(len(view.classes)), list(view.classes)]


@pytest.mark.slow
def test_it_goes_to_the_confidence_that_was_asked_for_and_hardly_further(view):
    low, high = (
        confidences(view, guess(view, sure=sure, prior=1e-3, dimensions=36, steps=300).representatives)
        for sure in (0.6, 0.99)
    )
    assert 0.59 <= low.min() <= low.max() < 0.95
    assert high.min() > 0.98


def test_it_comes_nearer_to_examples_that_the_adversary_has_none_of_than_the_mean_it_began_at(view, trained):
    _, drawn = trained
    made = guess(view, dimensions=36).representatives
    for image, wanted in zip(made, view.classes, strict=True):
        private = drawn(100, "private", wanted).inputs.mean(0)
        assert (image - private).square().mean() < (view.auxiliary.inputs.mean(0) - private).square().mean()


def test_what_it_finds_the_generator_can_make(view):
    made = guess(view, dimensions=3, prior=1.0).representatives
    space = fit_principal_components(view.auxiliary, 3)
    latents = (made.flatten(1) - space.mean) @ space.patterns.T
    assert 0 < made.min() < made.max() < 1
    assert torch.allclose(space.decode(latents), made, atol=1e-5)
    assert not torch.allclose(made, view.auxiliary.inputs.mean(0).expand_as(made), atol=0.05)


def test_a_strong_prior_keeps_it_at_the_mean(view):
    made = guess(view, prior=1e4).representatives
    assert torch.allclose(made, view.auxiliary.inputs.mean(0).expand_as(made), atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["principal-components", "autoencoder", "gan"])
def test_any_generator_will_do(view, name):
    one, two = (guess(view, generator=name).representatives for _ in range(2))
    assert one.shape == (2, 1, 6, 6)
    assert torch.equal(one, two)
    assert not torch.equal(one[0], one[1])


def test_what_cannot_be_done_has_a_reason(view, release):
    assert "no class was asked about" in guess(release(view.task, auxiliary=view.auxiliary)).failure
    few = release(view.task, classes=(1,), auxiliary=view.auxiliary[torch.arange(5)])
    assert "at least 20, and there are 5" in guess(few).failure
    assert "and there are 0" in guess(release(view.task, classes=(1,))).failure
