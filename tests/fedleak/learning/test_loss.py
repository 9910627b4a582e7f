"""Losses against torch's own, and what each leaves in the gradient of the last layer's bias."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedleak.contracts.criterion import OwnLoss
from fedleak.errors import ConfigError
from fedleak.learning.loss import Criterion, CrossEntropy, OneAgainstRest, SquaredError
from fedleak.randomness import generator

WEIGHTS = (0.5, 1.0, 2.0, 4.0)
SCORED = torch.tensor(WEIGHTS, dtype=torch.float64)


def one_hot(labels: Tensor) -> Tensor:
    return F.one_hot(labels, 4).double()


BY_TORCH: tuple[tuple[Criterion, Callable[[Tensor, Tensor], Tensor]], ...] = (
    (CrossEntropy(), F.cross_entropy),
    (CrossEntropy(class_weights=WEIGHTS), lambda s, y: F.cross_entropy(s, y, weight=SCORED)),
    (CrossEntropy(label_smoothing=0.2), lambda s, y: F.cross_entropy(s, y, label_smoothing=0.2)),
    (
        CrossEntropy(class_weights=WEIGHTS, label_smoothing=0.2),
        lambda s, y: F.cross_entropy(s, y, weight=SCORED, label_smoothing=0.2),
    ),
    (OneAgainstRest(), lambda s, y: F.binary_cross_entropy_with_logits(s, one_hot(y))),
    (SquaredError(), lambda s, y: F.mse_loss(s, one_hot(y))),
    (OwnLoss(address="m:f", function=F.multi_margin_loss), F.multi_margin_loss),
)


@pytest.mark.slow
@pytest.mark.parametrize(("criterion", "torchs"), BY_TORCH, ids=lambda one: getattr(one, "words", None))
@given(st.integers(1, 9), st.integers(0, 99))
def test_it_is_torch_s(criterion: Criterion, torchs: Callable[[Tensor, Tensor], Tensor], count: int, seed: int) -> None:
    rng = generator(seed)
    scores = torch.randn(count, 4, generator=rng, dtype=torch.float64)
    labels = torch.randint(4, (count,), generator=rng)
    expected = torchs(scores, labels)
    torch.testing.assert_close(criterion.mean(scores, labels), expected)
    sizes = criterion.sizes(scores, labels)
    torch.testing.assert_close(criterion.each(scores, labels).sum() / sizes.sum(), expected)
    counts = torch.bincount(labels, minlength=4).double()
    torch.testing.assert_close(criterion.normalizers(counts[None])[0], sizes.sum())
    torch.testing.assert_close(criterion.mean(scores, labels, torch.full((count,), 3.0, dtype=torch.float64)), expected)
    chosen = torch.arange(count) % 2 == 0
    torch.testing.assert_close(
        criterion.mean(scores, labels, chosen.double()), criterion.mean(scores[chosen], labels[chosen])
    )


@pytest.mark.parametrize("weight", [None, 3.0])
def test_a_single_logit_is_torch_s_binary_cross_entropy(weight: float | None) -> None:
    criterion = CrossEntropy(single_logit=True, class_weights=() if weight is None else (1.0, weight))
    for outputs in (torch.randn(5, 1, generator=generator(0)), torch.randn(5, generator=generator(1))):
        labels = torch.tensor([0, 1, 1, 0, 1])
        mine = criterion.mean(criterion.scores(outputs), labels)
        positive = None if weight is None else torch.tensor(weight)
        theirs = F.binary_cross_entropy_with_logits(outputs.reshape(-1), labels.float(), pos_weight=positive)
        torch.testing.assert_close(mine, theirs)
    assert criterion.scores(torch.tensor(0.3)).shape == (1, 2)


@pytest.mark.parametrize("criterion", [c for c, _ in BY_TORCH if not isinstance(c, OwnLoss)], ids=lambda c: c.words)
def test_counts_follow_from_the_bias_gradient_where_examples_fare_alike(criterion: Criterion) -> None:
    labels = torch.tensor([0, 0, 0, 1, 2, 2, 3, 3])
    scores = torch.tensor([0.1, -0.2, 0.3, 0.0], dtype=torch.float64).repeat(8, 1).requires_grad_()
    (slopes,) = torch.autograd.grad(criterion.mean(scores, labels), scores)
    activation = criterion.activation(scores.detach())
    assert activation is not None
    shares = criterion.shares(activation.mean(0), slopes.sum(0), 8)
    torch.testing.assert_close(shares, torch.tensor([3, 1, 2, 2]).double() / 8, atol=1e-5, rtol=0)


def test_probabilities_are_as_good_as_the_labels_they_stand_for() -> None:
    scores, labels = torch.randn(6, 4, generator=generator(2), dtype=torch.float64), torch.tensor([0, 1, 2, 3, 1, 1])
    for criterion, _ in BY_TORCH[:-1]:
        torch.testing.assert_close(criterion.mean(scores, one_hot(labels)), criterion.mean(scores, labels))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda outputs, labels: outputs[labels], r"to return the mean loss of a batch, got shape \(3, 4\)"),
        (lambda outputs, labels: 1.0, "to return the mean loss of a batch, got float"),
        (F.mse_loss, "m:f does not take outputs of shape \\(3, 4\\) and class indices of shape \\(3,\\)"),
    ],
)  # fmt: skip
def test_a_loss_of_a_user_s_that_is_none_is_refused_in_a_sentence(function: Callable[..., Tensor], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        OwnLoss(address="m:f", function=function).mean(torch.randn(3, 4), torch.tensor([0, 1, 2]))
