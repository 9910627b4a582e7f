"""Answers to yes-or-no questions about a batch."""

import math

import pytest
import torch
from sklearn.metrics import brier_score_loss

from fedleak.contracts.metric import metrics
from fedleak.contracts.properties import of_most
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.evaluation.scoring import score
from fedleak.learning.batch import Batch

TRUTH = Batch(torch.rand(5, 3, 6, 6, generator=torch.Generator().manual_seed(4)), torch.zeros(5, dtype=torch.int64))


def scored(answers: torch.Tensor, truth: Batch = TRUTH) -> dict[str, Score]:
    built = tuple(metrics.build(name, {}) for name in ("property-accuracy", "property-brier"))
    prior = Reconstruction(properties=torch.full((3,), 0.5))
    return {one.metric: one for one in score(Reconstruction(properties=answers), truth, built, prior)}


def test_right_and_sure_is_best_and_wrong_and_sure_is_worst() -> None:
    answer = of_most(TRUTH.inputs)
    right, wrong = scored(answer), scored(1 - answer)
    assert (right["property-accuracy"].value, wrong["property-accuracy"].value) == (1.0, 0.0)
    assert (right["property-brier"].value, wrong["property-brier"].value) == (0.0, 1.0)
    assert right["property-accuracy"].baseline == 0.5
    assert right["property-brier"].baseline == 0.25


def test_the_brier_score_is_scikit_learn_s() -> None:
    answer, guess = of_most(TRUTH.inputs), torch.tensor([0.2, 0.7, 0.9])
    theirs = brier_score_loss(answer.numpy(), guess.numpy())
    assert scored(guess)["property-brier"].value == pytest.approx(theirs)


def test_a_question_that_makes_no_sense_is_not_counted() -> None:
    gray = Batch(TRUTH.inputs[:, :1], TRUTH.labels)
    row = scored(torch.tensor([math.nan, 0.9, 0.1]), gray)["property-accuracy"]
    assert [math.isnan(value) for value in row.per_sample] == [True, False, False]
    assert row.reason is None


def test_a_question_without_an_answer_is_said_to_have_none() -> None:
    row = scored(torch.tensor([math.nan, 0.9, 0.1]))["property-accuracy"]
    assert row.reason == "1 of 3 questions had no answer"
