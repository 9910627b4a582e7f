"""Oracle references: no patch and no public example is better, and thresholds are beyond them."""

import math

import pytest
import torch

from fedleak.contracts.metric import metrics
from fedleak.evaluation.references import nearest_public, single_color, threshold_of
from fedleak.learning.batch import Batch
from fedleak.randomness import generator

PSNR, MSE, SSIM, RECALL = (metrics.build(name, {}) for name in ("psnr", "mse", "ssim", "label-recall"))
IMAGE_METRICS = pytest.mark.parametrize("metric", [PSNR, MSE, SSIM], ids=lambda metric: metric.name)


def batch(count: int, seed: int = 0, channels: int = 3) -> Batch:
    """Smooth images, some of which are nearly flat."""
    rng = generator("images", seed)
    coarse = torch.rand(count, channels, 2, 2, generator=rng) * torch.linspace(0.05, 1, count)[:, None, None, None]
    images = torch.nn.functional.interpolate(coarse, size=(8, 8), mode="bilinear")
    return Batch(images, torch.randint(0, 3, (count,), generator=rng))


def leakage(metric, guess, truth) -> torch.Tensor:
    values = torch.tensor(metric.per_sample(Batch(guess, truth.labels), truth), dtype=torch.float64)
    return values if metric.higher_is_better else -values


@IMAGE_METRICS
def test_hardly_any_patch_of_one_color_is_better_than_the_single_color(metric):
    truth = batch(6)
    best = single_color(metric, truth) * (1 if metric.higher_is_better else -1)
    for seed in range(40):
        colors = torch.rand(6, 3, 1, 1, generator=generator("colors", seed)).expand_as(truth.inputs)
        assert (leakage(metric, colors, truth) <= best + 0.02).all()
    mean = truth.inputs.mean(dim=(2, 3), keepdim=True).expand_as(truth.inputs)
    assert (leakage(metric, mean, truth) <= best + 1e-9).all()


@IMAGE_METRICS
def test_no_public_example_is_better_than_the_nearest_by_the_same_metric(metric):
    truth, public = batch(4), batch(30, 1)
    best = nearest_public(metric, truth, public) * (1 if metric.higher_is_better else -1)
    every = torch.stack([leakage(metric, one.expand_as(truth.inputs), truth) for one in public.inputs])
    assert torch.allclose(every.amax(0), best)


@pytest.mark.slow
@IMAGE_METRICS
def test_structureless_guesses_do_not_reach_the_threshold_of_their_task(metric):
    public, unseen = batch(150, 1), batch(150, 2)
    threshold = threshold_of(metric, public, unseen)
    patches = single_color(metric, batch(150, 3))
    assert (threshold >= metric.threshold) if metric.higher_is_better else (threshold <= metric.threshold)
    reached = patches >= threshold if metric.higher_is_better else patches <= threshold
    assert reached.float().mean() < 0.1
    assert threshold_of(metric, public, unseen) == threshold


def test_what_has_no_structureless_guesses_keeps_its_threshold():
    assert threshold_of(RECALL, batch(20)) == RECALL.threshold
    assert threshold_of(PSNR, None) == PSNR.threshold
    assert threshold_of(PSNR, batch(1)) == PSNR.threshold
    tiny = Batch(torch.rand(5, 1, 4, 4), torch.zeros(5, dtype=torch.int64))
    assert threshold_of(SSIM, tiny) == SSIM.threshold
    assert math.isfinite(threshold_of(PSNR, tiny))


def test_a_task_whose_examples_lie_close_together_asks_for_more():
    near = batch(1).inputs + 0.01 * torch.randn(60, 3, 8, 8, generator=generator("near"))
    assert threshold_of(PSNR, Batch(near.clamp(0, 1), torch.zeros(60, dtype=torch.int64))) > 35
