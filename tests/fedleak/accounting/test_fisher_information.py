"""Laws of the floor under the error of unbiased guesses."""

import math

import pytest
import torch

from fedleak.accounting.fisher_information import error_floor
from fedleak.profile.fisher import Fisher
from fedleak.randomness import generator

FISHER = Fisher(sensitivity=torch.tensor([[[[4.0, 4.0]]], [[[1.0, 3.0]]]]), spread=0.0)


def test_the_floor_is_the_noise_over_the_mean_information() -> None:
    assert error_floor(FISHER, 0.2).errors == pytest.approx((0.01, 0.02))
    assert error_floor(FISHER, 0.2).decibels == pytest.approx((20.0, -10 * math.log10(0.02)))


def test_it_agrees_with_the_profile_of_the_same_message() -> None:
    assert error_floor(FISHER, 0.3).decibels == pytest.approx(FISHER.bounds(0.3))


def test_noise_clipping_and_single_rounds_raise_it() -> None:
    plain = error_floor(FISHER, 0.2).errors[0]
    assert error_floor(FISHER, 0.4).errors[0] == pytest.approx(4 * plain)
    assert error_floor(FISHER, 0.2, shortened=0.5).errors[0] == pytest.approx(4 * plain)
    assert error_floor(FISHER, 0.2, releases=4).errors[0] == pytest.approx(plain / 4)
    assert error_floor(FISHER, 0.0).errors == (0.0, 0.0)
    assert error_floor(FISHER, 0.0).decibels == (math.inf, math.inf)


def test_least_squares_on_a_linear_release_reaches_the_floor_and_does_not_beat_it() -> None:
    rng = generator("linear")
    matrix = torch.linalg.qr(torch.randn(6, 3, generator=rng)).Q * 2.0
    noise = 0.3 * torch.randn(50_000, 6, generator=rng)
    error = float((noise @ torch.linalg.pinv(matrix).T).square().mean())
    information = (matrix.T @ matrix).diagonal().reshape(1, 1, 1, 3)
    (floor,) = error_floor(Fisher(sensitivity=information, spread=0.0), 0.3).errors
    assert error == pytest.approx(floor, rel=0.02)
