"""Laws of sending signs alone."""

import torch

from fedleak.defenses.sign_sgd import SignSGD
from fedleak.learning.update import Update, UpdateKind
from fedleak.randomness import generator


def update_of(size: int, seed: int = 0) -> Update:
    values = torch.randn(size, generator=generator(seed))
    return Update({"a": values[: size // 2].reshape(-1, 1), "b": values[size // 2 :]}, UpdateKind.DELTA)


def test_what_is_sent_is_a_sign_for_each_entry_and_a_size_for_each_tensor() -> None:
    update = update_of(60)
    sent = SignSGD().protect(update, generator(0))
    for name, value in update.tensors.items():
        assert torch.equal(sent.tensors[name].sign(), value.sign())
        torch.testing.assert_close(sent.tensors[name].abs(), value.abs().mean().expand_as(value))


def test_zero_counts_as_positive() -> None:
    update = Update({"a": torch.tensor([0.0, -1.0])}, UpdateKind.DELTA)
    assert SignSGD().protect(update, generator(0)).vector().tolist() == [0.5, -0.5]


def test_the_truth_fits_what_was_sent_better_than_another_update_does() -> None:
    truth, defense = update_of(400), SignSGD()
    sent = defense.protect(truth, generator(2))
    fit = float(defense.negative_log_likelihood(truth, sent))
    for other in (update_of(400, 9), truth.with_vector(-truth.vector()), truth.with_vector(0 * truth.vector())):
        assert fit < float(defense.negative_log_likelihood(other, sent))


def test_the_size_of_a_tensor_is_known_too() -> None:
    truth, defense = update_of(400), SignSGD()
    sent = defense.protect(truth, generator(2))
    for factor in (0.1, 10.0):
        longer = truth.with_vector(factor * truth.vector())
        assert float(defense.negative_log_likelihood(truth, sent)) < float(
            defense.negative_log_likelihood(longer, sent)
        )


def test_entries_of_zero_fit_a_positive_sign_and_not_a_negative_one() -> None:
    defense = SignSGD()
    sent = Update({"a": torch.tensor([1.0, -1.0, 1.0])}, UpdateKind.DELTA)
    plus = sent.with_vector(torch.tensor([0.0, -1.5, 1.5]))
    minus = sent.with_vector(torch.tensor([1.5, 0.0, 1.5]))
    assert float(defense.negative_log_likelihood(plus, sent)) + 1 < float(defense.negative_log_likelihood(minus, sent))


def test_zeros_have_a_misfit_that_is_a_number() -> None:
    zeros = Update({"a": torch.zeros(7)}, UpdateKind.DELTA)
    given = zeros.with_vector(torch.zeros(7).requires_grad_())
    misfit = SignSGD().negative_log_likelihood(given, SignSGD().protect(zeros, generator(0)))
    assert torch.isfinite(misfit)
