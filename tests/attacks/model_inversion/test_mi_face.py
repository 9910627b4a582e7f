"""MI-Face: descent on pixels to an image that the model is sure of."""

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


@pytest.fixture
def view(trained, release):
    task, drawn = trained
    public = drawn(60, "public")
    return release(task, classes=(3, 0), auxiliary=public[(public.labels % 3).nonzero()[:, 0]])


def guess(view, **options):
    return attacks.build("mi-face", {"steps": 500, **options}).run(view, generator("mi-face"))


def confidences(view, images):
    scores = view.task.logits(view.weights, images, mode="eval").softmax(1)
    return scores[range(len(view.classes)), list(view.classes)]


@pytest.mark.parametrize("cost", ["confidence", "log-odds"])
@pytest.mark.parametrize("start", ["public-mean", "zero"])
def test_it_stops_where_the_model_is_sure_enough(view, cost, start):
    sure = confidences(view, guess(view, cost=cost, start=start, denoiser="none", sure=0.9).representatives)
    surer = confidences(view, guess(view, cost=cost, start=start, denoiser="none", sure=0.99).representatives)
    assert 0.9 <= sure.min() < 0.99 <= surer.min()


def test_it_comes_nearer_to_examples_that_the_adversary_has_none_of_than_the_mean_it_began_at(view, trained):
    _, drawn = trained
    made = guess(view).representatives
    for image, wanted in zip(made, view.classes, strict=True):
        private = drawn(100, "private", wanted).inputs.mean(0)
        assert (image - private).square().mean() < (view.auxiliary.inputs.mean(0) - private).square().mean()


@pytest.mark.slow
def test_ascent_on_raw_pixels_convinces_the_model_and_is_further_away_than_the_mean(view, trained):
    _, drawn = trained
    made = guess(view, cost="log-odds", denoiser="none", sure=1.0).representatives
    assert (confidences(view, made) > 0.999).all()
    for image, wanted in zip(made, view.classes, strict=True):
        private = drawn(100, "private", wanted).inputs.mean(0)
        assert (image - private).square().mean() > (view.auxiliary.inputs.mean(0) - private).square().mean()


def test_what_is_kept_of_components_is_all_that_an_image_differs_in_from_the_mean(view):
    made = guess(view, components=1).representatives
    moved = (made - view.auxiliary.inputs.mean(0)).flatten(1)
    assert torch.linalg.matrix_rank(moved, rtol=1e-4) == 1


def test_a_class_is_attacked_alike_whoever_else_is_asked_about(view, release):
    alone = release(view.task, classes=(0,), auxiliary=view.auxiliary)
    assert torch.allclose(guess(view).representatives[1:], guess(alone).representatives, atol=1e-6)


def test_from_zero_without_a_denoiser_it_needs_no_public_data(view, release):
    blind = release(view.task, classes=view.classes)
    assert guess(blind, start="zero", denoiser="none").representatives.shape == (2, 1, 6, 6)
    assert guess(blind, start="zero", denoiser="filters").representatives.shape == (2, 1, 6, 6)
    assert "at least 20, and there are 0" in guess(blind, start="zero").failure
    assert "no public examples" in guess(blind, denoiser="none").failure


def test_nobody_asked_and_broken_weights_are_reasons(view, release):
    assert "no class was asked about" in guess(release(view.task, auxiliary=view.auxiliary)).failure
    broken = release(view.task, classes=(1,), auxiliary=view.auxiliary)
    next(iter(broken.weights.parameters.values())).fill_(torch.nan)
    assert "NaN" in guess(broken).failure
