"""Image metrics against others' implementations, and their laws."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedleak.contracts.metric import metrics
from fedleak.learning.batch import Batch
from fedleak.metrics.psnr import CAP
from fedleak.metrics.ssim import RADIUS, similarity
from fedleak.randomness import generator

SHAPES = [(1, 8, 8), (1, 25, 25), (3, 32, 32)]


def images(seed: int, shape: tuple[int, int, int], count: int = 3) -> torch.Tensor:
    return torch.rand(count, *shape, generator=generator("metrics", seed))


def per_sample(name: str, guess: torch.Tensor, truth: torch.Tensor) -> list[float]:
    labels = torch.zeros(len(truth), dtype=torch.int64)
    return metrics.build(name, {}).per_sample(Batch(guess, labels), Batch(truth, labels))


@pytest.mark.slow  # torchmetrics takes many seconds to import
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.1, 1.0])
def test_they_agree_with_torchmetrics(shape: tuple[int, int, int], noise: float) -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    truth = images(0, shape)
    guess = truth + noise * torch.randn(truth.shape, generator=generator(1))
    clamped, exact = guess.clamp(0, 1).double(), truth.double()
    similar = structural_similarity_index_measure(clamped, exact, data_range=1.0, reduction="none")
    assert per_sample("ssim", guess, truth) == pytest.approx(similar.tolist(), abs=1e-9)
    assert per_sample("mse", guess, truth) == pytest.approx((clamped - exact).square().mean((1, 2, 3)).tolist())
    if noise:
        ratio = peak_signal_noise_ratio(clamped, exact, data_range=1.0, dim=(1, 2, 3), reduction="none")
        assert per_sample("psnr", guess, truth) == pytest.approx(ratio.tolist(), rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_they_agree_with_scikit_image_ssim_away_from_the_border(shape: tuple[int, int, int]) -> None:
    from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

    truth, guess = images(0, shape, 1).double(), images(1, shape, 1).double()
    _, theirs = structural_similarity(
        guess[0].numpy(),
        truth[0].numpy(),
        data_range=1.0,
        channel_axis=0,
        gaussian_weights=True,
        use_sample_covariance=False,
        full=True,
    )
    ours = [per_sample(name, guess, truth)[0] for name in ("mse", "psnr")]
    pair = truth[0].numpy(), guess[0].numpy()
    assert ours == pytest.approx([mean_squared_error(*pair), peak_signal_noise_ratio(*pair, data_range=1.0)])
    inside = (slice(None), slice(RADIUS, -RADIUS), slice(RADIUS, -RADIUS))
    assert torch.allclose(similarity(guess, truth)[0][inside], torch.from_numpy(theirs)[inside], atol=1e-9)


@pytest.mark.parametrize(("name", "perfect"), [("mse", 0.0), ("psnr", CAP), ("ssim", 1.0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_perfect_guess_gets_the_best_value(name: str, perfect: float, shape: tuple[int, int, int]) -> None:
    truth = images(0, shape)
    assert per_sample(name, truth, truth) == pytest.approx([perfect] * len(truth))


@pytest.mark.parametrize("name", ["mse", "psnr", "ssim"])
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_more_noise_is_no_better_leakage(name: str, seed: int) -> None:
    truth = images(seed, (1, 8, 8), 1) * 0.5 + 0.25
    noise = torch.rand(truth.shape, generator=generator("noise", seed)) - 0.5
    values = [per_sample(name, truth + scale * noise, truth)[0] for scale in (0.01, 0.1, 0.5)]
    assert values == sorted(values, reverse=metrics.get(name).higher_is_better)


@pytest.mark.parametrize("name", ["mse", "psnr", "ssim"])
def test_values_outside_the_range_count_as_its_ends(name: str) -> None:
    truth, guess = images(0, (1, 8, 8)), images(1, (1, 8, 8)) * 4 - 2
    assert per_sample(name, guess, truth) == per_sample(name, guess.clamp(0, 1), truth)


def test_eighty_decibels_are_told_from_the_cap() -> None:
    truth = torch.full((1, 1, 8, 8), 0.5)
    assert per_sample("psnr", truth + 1e-4, truth)[0] == pytest.approx(80, abs=0.05)


def test_ssim_refuses_images_smaller_than_half_its_window() -> None:
    ssim = metrics.build("ssim", {})
    labels = torch.zeros(1, dtype=torch.int64)
    assert ssim.inapplicable(Batch(torch.zeros(1, 1, 6, 6), labels)) is None
    reason = ssim.inapplicable(Batch(torch.zeros(1, 1, 5, 9), labels))
    assert reason == "SSIM needs images of 6x6 or more, these are 5x9"
    assert math.isfinite(per_sample("ssim", torch.zeros(1, 1, 6, 6), torch.ones(1, 1, 6, 6))[0])


def test_the_seen_part_alone_counts_where_a_part_was_never_seen() -> None:
    rng = generator("seen part")
    truth, guess = (Batch(torch.rand(2, 3, 8, 8, generator=rng), torch.zeros(2, dtype=torch.int64)) for _ in range(2))
    whole = metrics.build("psnr", {}).per_sample(guess, truth)
    metric = metrics.build("psnr-seen", {})
    assert metric.per_sample(guess, truth) == pytest.approx(whole)
    inputs = truth.inputs.clone()
    inputs[:, :, :, :4] = torch.nan
    right = Batch(guess.inputs[..., 4:], guess.labels), Batch(truth.inputs[..., 4:], truth.labels)
    assert metric.per_sample(guess, Batch(inputs, truth.labels)) == pytest.approx(
        metrics.build("psnr", {}).per_sample(*right)
    )
