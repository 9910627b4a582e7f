"""Laws of stochastic quantization."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.contracts.chain import Chain
from fedleak.defenses.parts.likelihood import off_size
from fedleak.defenses.qsgd import QSGD
from fedleak.errors import ConfigError
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator


def update_of(size: int, seed: int = 0) -> Update:
    values = torch.randn(size, generator=generator(seed))
    return Update({"a": values[: size // 2].reshape(-1, 1), "b": values[size // 2 :]}, UpdateKind.DELTA)


@pytest.mark.slow
@pytest.mark.parametrize("levels", [1, 4])
def test_its_mean_over_the_dice_is_the_update(levels: int) -> None:
    update, draws = update_of(40), 4000
    defense = QSGD(levels=levels)
    total = sum(defense.protect(update, generator(seed)).vector() for seed in range(draws))
    # A rounding to one of two neighbors has a standard deviation of half a level at most.
    level = max(float(value.norm()) for value in update.tensors.values()) / levels
    assert (total / draws - update.vector()).abs().max() <= 5 * 0.5 * level / draws**0.5


@given(st.integers(2, 100), st.integers(1, 30), st.integers(1, 60))
def test_an_entry_goes_to_one_of_the_two_levels_next_to_it(size: int, levels: int, bucket: int) -> None:
    update = update_of(size)
    sent = QSGD(levels=levels, bucket=bucket).protect(update, generator(1))
    for name, value in update.tensors.items():
        pieces = zip(value.flatten().split(bucket), sent.tensors[name].flatten().split(bucket), strict=True)
        for piece, rounded in pieces:
            unit = piece.norm() / levels
            assert ((rounded - piece).abs() <= unit * (1 + 1e-4)).all()
            assert torch.allclose(rounded / unit, (rounded / unit).round(), atol=1e-3)
            assert (rounded * piece >= 0).all()


def test_zeros_stay_zeros() -> None:
    zeros = Update({"a": torch.zeros(7)}, UpdateKind.DELTA)
    assert torch.equal(QSGD().protect(zeros, generator(0)).vector(), torch.zeros(7))
    assert torch.isfinite(QSGD().negative_log_likelihood(zeros, zeros))


def test_the_truth_fits_what_was_sent_better_than_another_update_does() -> None:
    truth, defense = update_of(400), QSGD()
    sent = defense.protect(truth, generator(2))
    fit = float(defense.negative_log_likelihood(truth, sent))
    for other in (update_of(400, 9), truth.with_vector(-truth.vector()), truth.with_vector(0 * truth.vector())):
        assert fit < float(defense.negative_log_likelihood(other, sent))


def test_the_misfit_is_the_negative_log_of_the_probability_of_the_roundings() -> None:
    value = torch.tensor([3.0, 4.0])  # norm 5: at one level, probabilities 0.6 and 0.8
    given = Update({"a": value}, UpdateKind.DELTA)
    for sent, probability in [(torch.tensor([5.0, 0.0]), 0.6 * 0.2), (torch.tensor([5.0, 5.0]), 0.6 * 0.8)]:
        misfit = QSGD(levels=1).negative_log_likelihood(given, Update({"a": sent}, UpdateKind.DELTA))
        size = off_size(value.mean(), sent.mean(), 2)
        assert float(misfit - size) == pytest.approx(-math.log(probability), rel=1e-4)


def test_the_misfit_can_be_differentiated_far_off() -> None:
    far = update_of(50, 3).vector().mul(100).requires_grad_()
    given = update_of(50).with_vector(far)
    QSGD().negative_log_likelihood(given, QSGD().protect(update_of(50), generator(0))).backward()
    assert far.grad is not None
    assert torch.isfinite(far.grad).all()
    assert far.grad.abs().max() > 0


def test_no_levels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"chain.0.levels: expected greater than or equal to 1, got 0"):
        Chain.build(({"use": "qsgd", "levels": 0},))
