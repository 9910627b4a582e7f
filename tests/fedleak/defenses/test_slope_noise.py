"""Isotropic noise on slopes: its length, its mean, clipping, and neither."""

import math

import pytest
import torch

from fedleak.contracts.defense import defenses
from fedleak.defenses.slope_noise import SlopeNoise
from fedleak.errors import ConfigError
from fedleak.randomness import generator

SLOPE = (
    torch.randn(50, 4, 5, 5, generator=generator("slope"), dtype=torch.float64)
    * torch.logspace(-3, 0, 50)[:, None, None, None]
)
LABELS = torch.arange(50) % 2


def sent(seed=0, **options):
    return SlopeNoise(**options).slope(SLOPE, LABELS, generator(seed))


def test_without_noise_or_clipping_it_is_what_it_was():
    assert torch.equal(sent(ratio=0.0), SLOPE)
    assert torch.equal(sent(ratio=0.0, max_norm=1e9), SLOPE)


@pytest.mark.parametrize("max_norm", [None, 0.5])
def test_noise_is_as_long_as_is_said_beside_the_longest_and_leaves_the_mean(max_norm):
    clipped = sent(ratio=0.0, max_norm=max_norm)
    noise = torch.stack([sent(seed, ratio=2.0, max_norm=max_norm) - clipped for seed in range(200)])
    longest = float(clipped.flatten(1).norm(dim=1).max())
    lengths = noise.flatten(2).square().sum(2).mean().sqrt()
    assert float(lengths) == pytest.approx(2 * longest, rel=0.01)
    std = 2 * longest / math.sqrt(100)
    assert abs(float(noise.mean())) < 4 * std / math.sqrt(noise.numel())
    assert float(noise[:, 0].std()) == pytest.approx(float(noise[:, -1].std()), rel=0.05), (
        "whatever a gradient's length"
    )


def test_clipping_scales_down_what_is_longer_and_nothing_else():
    norms, clipped = SLOPE.flatten(1).norm(dim=1), sent(ratio=0.0, max_norm=0.5)
    short = norms <= 0.5
    assert 0 < int(short.sum()) < 50
    assert torch.equal(clipped[short], SLOPE[short])
    torch.testing.assert_close(clipped[~short].flatten(1).norm(dim=1), torch.full_like(norms[~short], 0.5))
    torch.testing.assert_close(clipped[~short], SLOPE[~short] * (0.5 / norms[~short])[:, None, None, None])


def test_gradients_of_nothing_stay_numbers():
    none = torch.zeros(3, 4)
    assert torch.equal(SlopeNoise(ratio=1.0, max_norm=1.0).slope(none, LABELS[:3], generator(0)), none)


def test_precision_stays():
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        noisy = SlopeNoise(ratio=1.0, max_norm=0.1).slope(SLOPE.to(dtype), LABELS, generator(0))
        assert (noisy.dtype, noisy.shape) == (dtype, SLOPE.shape)


@pytest.mark.parametrize("options", [{"ratio": -1.0}, {"ratio": 1.0, "max_norm": 0.0}, {}])
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError, match=r"ratio|max_norm"):
        defenses.build("slope-noise", options)
