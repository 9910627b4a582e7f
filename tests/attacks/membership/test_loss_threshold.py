"""Loss threshold: members of a model that knows them by heart have the lower loss."""

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.learning.weights import Weights
from fedleak.randomness import generator


def guess(view):
    return attacks.build("loss-threshold", {}).run(view, generator(0))


@pytest.fixture
def view(overfit, release):
    task, candidates = overfit
    return release(task, candidates=candidates)


def test_members_of_an_overfit_model_are_told_from_others(view, told_apart):
    assert told_apart(guess(view)) > 0.9


def test_a_score_is_the_loss_with_the_other_sign(view):
    scores = view.task.logits(view.weights, view.candidates.inputs, mode="eval")
    wanted = -torch.nn.functional.cross_entropy(scores, view.candidates.labels, reduction="none")
    assert torch.allclose(guess(view).membership, wanted.detach(), atol=1e-5)


def test_of_a_model_that_was_never_trained_it_learns_nothing(view, overfit, release, told_apart):
    task, candidates = overfit
    parameters = {name: torch.zeros_like(value) for name, value in view.weights.parameters.items()}
    untrained = type(view)(task=task, weights=Weights(parameters, {}), candidates=candidates)
    assert told_apart(guess(untrained)) == pytest.approx(0.5)


def test_weights_that_are_no_numbers_are_refused_in_a_sentence(view):
    parameters = {name: torch.full_like(value, torch.nan) for name, value in view.weights.parameters.items()}
    broken = type(view)(task=view.task, weights=Weights(parameters, {}), candidates=view.candidates)
    assert "infinite under the released weights" in guess(broken).failure
