"""What stands beside a guess at a class: private examples of it, and what is guessed without access."""

import torch

from fedleak.contracts.released import Released
from fedleak.evaluation.adversary import baselines
from fedleak.evaluation.exhibits import exhibits_of
from fedleak.learning.batch import Batch
from fedleak.tasks import initial_weights, task_of

TASK = "digits-mlp"


def seen(classes, public=None):
    return Released(task=task_of(TASK), weights=initial_weights(TASK, 0), auxiliary=public, classes=classes)


def examples(*labels):
    inputs = torch.arange(len(labels), dtype=torch.float32)[:, None, None, None].expand(-1, 1, 8, 8) / 10
    return Batch(inputs, torch.tensor(labels))


def test_private_examples_are_those_of_the_class_and_the_first_is_shown():
    shown = exhibits_of(seen((3, 7)), examples(7, 3, 3, 5))
    assert shown.private_mean[:, 0, 0, 0].tolist() == torch.tensor([0.15, 0.0]).tolist()
    assert shown.private_example[:, 0, 0, 0].tolist() == torch.tensor([0.1, 0.0]).tolist()


def test_a_class_that_nobody_holds_has_no_image_and_without_the_truth_none_has():
    shown = exhibits_of(seen((3, 7)), examples(7))
    assert shown.private_mean[0].isnan().all()
    assert shown.private_example[0].isnan().all()
    assert exhibits_of(seen((3, 7)), None).private_mean is None


def test_blind_guesses_are_those_that_scores_stand_beside():
    view = seen((3, 7), examples(1, 2, 5))
    shown = exhibits_of(view, None, 1, 2, "model")
    assert torch.equal(shown.drawn, baselines(view, 1, 2, "model")[0].representatives)
    assert torch.allclose(shown.prior, torch.full((2, 1, 8, 8), 0.1))
    assert exhibits_of(seen((3, 7)), None).drawn is None
