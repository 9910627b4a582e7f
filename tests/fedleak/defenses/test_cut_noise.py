"""Laplace noise at the cut: its law, its mean, and none at all."""

import torch
from scipy.stats import kstest, laplace

from fedleak.defenses.cut_noise import CutNoise
from fedleak.randomness import generator

SENT = torch.linspace(-3, 3, 20_000, dtype=torch.float64).reshape(100, 200)


def test_without_noise_it_is_what_it_was():
    assert CutNoise(scale=0.0).embedding(SENT, generator(0)) is SENT


def test_noise_is_laplace_and_leaves_the_mean():
    noise = CutNoise(scale=0.7).embedding(SENT, generator(0)) - SENT
    assert kstest(noise.flatten().numpy(), laplace(scale=0.7).cdf).pvalue > 0.01
    assert abs(float(noise.mean())) < 4 * 0.7 * (2 / 20_000) ** 0.5


def test_what_is_longer_is_scaled_down_before_the_noise_and_nothing_else():
    bounded = CutNoise(scale=0.0, max_norm=2.0)
    long, short = SENT[0], SENT[0] / SENT[0].norm()
    torch.testing.assert_close(bounded.embedding(long, generator(0)), 2 * short)
    assert bounded.embedding(short, generator(0)) is short
    noise = CutNoise(scale=0.7).embedding(SENT[0], generator(0)) - SENT[0]
    torch.testing.assert_close(CutNoise(scale=0.7, max_norm=2.0).embedding(long, generator(0)), 2 * short + noise)


def test_who_trains_through_it_has_its_slope():
    sent = SENT[:2, :6].clone().requires_grad_()
    noisy = CutNoise(scale=0.7, max_norm=1.0)
    assert torch.autograd.gradcheck(lambda one: noisy.embedding(one, generator(0)), (sent,))


def test_shape_and_precision_stay():
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        noisy = CutNoise(scale=1.0).embedding(SENT.to(dtype)[:2, :3], generator(0))
        assert (noisy.dtype, noisy.shape) == (dtype, (2, 3))
