"""Asked classes, and the log-odds that a model gives them."""

import pytest
import torch

from fedleak.attacks.parts.model_inversion.asked_classes import asked_classes, log_odds, sure_enough
from fedleak.errors import NotApplicable


def test_the_classes_come_in_the_order_of_the_question(trained, release):
    task, _ = trained
    assert asked_classes(release(task, classes=(3, 1))).tolist() == [3, 1]
    with pytest.raises(NotApplicable, match="no class was asked about"):
        asked_classes(release(task))


def test_log_odds_are_those_of_the_confidence_and_grow_where_that_is_flat():
    scores, classes = torch.tensor([[1.0, 4.0, 2.0], [5.0, -1.0, 3.0], [100.0, 0.0, 0.0]]), torch.tensor([1, 2, 0])
    confidence = scores.softmax(1).gather(1, classes[:, None])[:, 0]
    assert torch.allclose(log_odds(scores, classes)[:2], confidence[:2].logit())
    assert log_odds(scores, classes)[2] > 90


def test_a_search_ends_as_sure_as_the_model_is_of_public_examples_at_most_at_99_in_a_hundred(trained, release):
    task, drawn = trained
    public = drawn(60, "public")
    view = release(task, classes=(3,), auxiliary=public)
    usual = task.logits(view.weights, public.inputs, mode="eval").softmax(1).amax(1)
    assert sure_enough(view, None) == pytest.approx(min(float(usual.median()), 0.99))
    assert sure_enough(view, 0.3) == 0.3
    assert sure_enough(release(task, classes=(3,)), None) == 0.99
    for value in view.weights.parameters.values():
        value.mul_(0.5)
    assert sure_enough(view, None) < 0.9
