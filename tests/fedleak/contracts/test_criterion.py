"""Criteria by address: what tables and callers may name, and the sentences for what they may not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedleak.api import observe
from fedleak.contracts.criterion import OwnLoss, criterion_for, takes_single_logit
from fedleak.errors import ConfigError
from fedleak.learning.loss import CrossEntropy, OneAgainstRest, SquaredError
from fedleak.settings.base import parse_settings
from fedleak.settings.task import TaskSettings
from fedleak.tasks import task_of

MLP = {"data": "digits", "network": "mlp"}


def criterion_in(**table: Any) -> object:
    return task_of(parse_settings(TaskSettings, {**MLP, **table}, "task")).criterion


def test_a_table_names_its_loss_and_a_short_form_has_cross_entropy() -> None:
    assert task_of("digits-mlp").criterion == criterion_in() == CrossEntropy()
    smooth = criterion_in(loss_options={"label_smoothing": 0.1, "class_weights": [1.0] * 10})
    assert smooth == CrossEntropy(label_smoothing=0.1, class_weights=(1.0,) * 10)
    assert criterion_in(loss="binary-cross-entropy") == OneAgainstRest()
    assert criterion_in(loss="mean-squared-error") == SquaredError()


def test_a_loss_of_another_s_is_imported_with_its_options() -> None:
    focal = criterion_in(loss="torch.nn.functional:cross_entropy", loss_options={"label_smoothing": 0.5})
    assert isinstance(focal, OwnLoss)
    scores, labels = torch.randn(3, 10), torch.tensor([1, 2, 3])
    torch.testing.assert_close(focal.mean(scores, labels), F.cross_entropy(scores, labels, label_smoothing=0.5))
    assert criterion_in(loss="torch.nn:CrossEntropyLoss", loss_options={"label_smoothing": 0.2}) == CrossEntropy(
        label_smoothing=0.2
    )


@pytest.mark.parametrize(
    ("given", "criterion"),
    [
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])), CrossEntropy(class_weights=(1.0, 2.0))),
        (nn.BCEWithLogitsLoss(), CrossEntropy(single_logit=True)),
        (
            nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0])),
            CrossEntropy(single_logit=True, class_weights=(1.0, 3.0)),
        ),
        (nn.MSELoss(), SquaredError()),
    ],
    ids=str,
)
def test_torch_s_own_losses_are_ours(given: nn.Module, criterion: object) -> None:
    assert criterion_for(given, {}, 2, single_logit=takes_single_logit(given)) == criterion


class Scaled(nn.Module):
    """A loss that learns."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return self.scale * F.cross_entropy(outputs, labels)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"loss": "cros-entropy"}, "task.loss: no loss is called 'cros-entropy'; did you mean 'cross-entropy'"),
        ({"loss_options": {"label_smoothing": 1.5}}, "task.loss_options.label_smoothing: expected .*less than 1"),
        ({"loss_options": {"smoothing": 0.1}}, "task.loss_options.smoothing: unknown field"),
        ({"loss_options": {"class_weights": [1.0, 2.0]}}, "a weight for each of 10 classes, got 2"),
        (
            {"loss": "binary-cross-entropy", "loss_options": {"positive_weight": 2.0}},
            "positive_weight: is for a single logit, and the network has more outputs",
        ),
        ({"loss": "mean-squared-error", "loss_options": {"p": 1}}, "task.loss_options.p: unknown field"),
        ({"loss": "torch.nn.functional:cros_entropy"}, "no 'cros_entropy'; did you mean 'cross_entropy'"),
        ({"several_labels": True}, "task.several_labels: each example of 'digits' has one label; leave it out"),
        ({"loss": "torch:pi"}, "task.loss: expected torch:pi as a function or class, got float"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        criterion_in(**table)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Scaled(), "has parameters of its own to train, which nobody would send"),
        (nn.CrossEntropyLoss(reduction="sum"), "expected a mean over the batch, got CrossEntropyLoss"),
    ],
)
def test_a_module_that_cannot_be_a_loss_is_one_sentence(given: Callable[..., Tensor], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        criterion_for(given, {}, 3, single_logit=False, address="m:Loss")


def mean_of_squares(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs.sigmoid() - labels.float()).square().mean()


@pytest.mark.parametrize("flat", [True, False])
def test_a_single_logit_reaches_a_user_s_loss_in_the_shape_that_their_network_gives(flat: bool) -> None:
    shape = (-1,) if flat else (-1, 1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 1), nn.Unflatten(1, (1,)), nn.Flatten(0 if flat else 1))
    images, labels = torch.rand(6, 1, 2, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    given = lambda outputs, labels: mean_of_squares(outputs, labels.reshape(shape))  # noqa: E731
    seen = observe(network, images, labels, loss=given, learning_rate=1.0).observation
    given(network(images), labels).backward()
    for name, value in network.named_parameters():
        torch.testing.assert_close(seen.gradient()[name], value.grad, atol=1e-6, rtol=1e-4)


def test_torch_s_losses_of_unusual_form_are_taken_as_they_are_or_refused() -> None:
    ignoring = criterion_for(nn.CrossEntropyLoss(ignore_index=0), {}, 3, single_logit=False)
    scores, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(ignoring.mean(scores, labels), F.cross_entropy(scores, labels, ignore_index=0))
    with pytest.raises(ConfigError, match="a score for each class under MSELoss, got a single logit"):
        criterion_for(nn.MSELoss(), {}, 2, single_logit=True)
    several = criterion_for(nn.BCEWithLogitsLoss(pos_weight=torch.ones(3)), {}, 3, single_logit=False)
    assert isinstance(several, OwnLoss)


def test_a_table_says_that_examples_have_several_labels() -> None:
    theirs = {"data": "m:data", "shape": (1, 4, 4), "classes": 2, "several_labels": True}
    assert criterion_in(**theirs, loss="binary-cross-entropy") == OneAgainstRest(several_labels=True)
    with pytest.raises(ConfigError, match="expected a loss of several labels an example, got cross-entropy"):
        criterion_in(**theirs)
    own = criterion_in(**theirs, loss="torch.nn.functional:multilabel_soft_margin_loss")
    scores, labels = torch.randn(3, 2), torch.tensor([[1, 0], [1, 1], [0, 0]])
    torch.testing.assert_close(own.mean(scores, labels), F.multilabel_soft_margin_loss(scores, labels.float()))
    assert own.decided(torch.tensor([[0.1, -0.1], [2.0, 0.4]])).tolist() == [[1, 0], [1, 1]]
    assert SquaredError(several_labels=True).decided(torch.tensor([[0.6, 0.4]])).tolist() == [[1, 0]]


def test_a_user_s_loss_decides_where_a_label_costs_less_than_none() -> None:
    of_probabilities = criterion_for(nn.BCELoss(), {}, 3, single_logit=False, several_labels=True)
    assert of_probabilities.decided(torch.tensor([[0.4, 0.6, 0.9]])).tolist() == [[0, 1, 1]]
    of_logits = criterion_for(nn.MultiLabelSoftMarginLoss(), {}, 3, single_logit=False, several_labels=True)
    assert of_logits.decided(torch.tensor([[-0.4, 0.1, 0.9]])).tolist() == [[0, 1, 1]]


def test_one_label_alone_is_no_set() -> None:
    table = {"data": "m:data", "shape": (1, 4, 4), "classes": 1, "several_labels": True, "loss": "binary-cross-entropy"}
    with pytest.raises(ConfigError, match=r"task.several_labels: expected two labels or more, got classes = 1"):
        criterion_in(**table)
