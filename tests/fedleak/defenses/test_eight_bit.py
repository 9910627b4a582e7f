"""Laws of uniform quantization."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.contracts.chain import Chain
from fedleak.defenses.eight_bit import EightBit
from fedleak.errors import ConfigError
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator


def update_of(size: int, seed: int = 0) -> Update:
    values = torch.randn(size, generator=generator(seed))
    return Update({"a": values[: size // 2].reshape(-1, 1), "b": values[size // 2 :]}, UpdateKind.DELTA)


@given(st.integers(2, 200), st.integers(2, 12))
def test_an_entry_is_off_by_half_a_step_at_most_and_there_are_few_values(size: int, bits: int) -> None:
    update = update_of(size)
    sent = EightBit(bits=bits).protect(update, generator(0))
    for name, value in update.tensors.items():
        step = value.abs().max() / (2 ** (bits - 1) - 1)
        assert (sent.tensors[name] - value).abs().max() <= step * (0.5 + 1e-3)
        assert len(sent.tensors[name].unique()) <= 2**bits - 1


@given(st.integers(2, 12))
def test_what_was_quantized_is_not_changed_by_it(bits: int) -> None:
    defense = EightBit(bits=bits)
    once = defense.protect(update_of(60), generator(0))
    assert torch.allclose(defense.protect(once, generator(0)).vector(), once.vector(), rtol=1e-5)


def test_the_largest_entry_is_sent_as_it_is() -> None:
    update = update_of(60)
    sent = EightBit(bits=3).protect(update, generator(0))
    for name, value in update.tensors.items():
        assert sent.tensors[name].abs().max() == pytest.approx(float(value.abs().max()), rel=1e-6)


def test_zeros_stay_zeros() -> None:
    zeros = Update({"a": torch.zeros(7)}, UpdateKind.DELTA)
    assert torch.equal(EightBit().protect(zeros, generator(0)).vector(), torch.zeros(7))
    assert torch.isfinite(EightBit().negative_log_likelihood(zeros, zeros))


def test_the_truth_fits_what_was_sent_better_than_another_update_does() -> None:
    truth, defense = update_of(400), EightBit(bits=3)
    sent = defense.protect(truth, generator(2))
    fit = float(defense.negative_log_likelihood(truth, sent))
    for other in (update_of(400, 9), truth.with_vector(-truth.vector()), truth.with_vector(0 * truth.vector())):
        assert fit < float(defense.negative_log_likelihood(other, sent))


def test_nowhere_within_an_interval_fits_notably_better_than_elsewhere() -> None:
    sent = Update({"a": torch.tensor([1.0, 0.0])}, UpdateKind.DELTA)
    defense = EightBit(bits=2)
    within = [
        float(defense.negative_log_likelihood(sent.with_vector(torch.tensor([1.0, x])), sent)) for x in (-0.3, 0.0, 0.3)
    ]
    outside = float(defense.negative_log_likelihood(sent.with_vector(torch.tensor([1.0, 0.9])), sent))
    assert max(within) - min(within) < 0.2
    assert outside > max(within) + 3


@pytest.mark.parametrize("bits", [1, 17])
def test_too_few_or_too_many_bits_are_refused(bits: int) -> None:
    with pytest.raises(ConfigError, match=r"chain.0.bits: expected (greater|less) than or equal to \d+, got"):
        Chain.build(({"use": "eight-bit", "bits": bits},))
