"""Shadow models: what their answers about members look like is what the target's do."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator

TRAINING = LocalTraining(batch_size=10, batches=4, epochs=30, learning_rate=0.1, momentum=0.9)


def guess(view):
    return attacks.build("shadow-models", {"shadows": 8}).run(view, generator(0))


@pytest.fixture
def view(overfit, serve, batch_of):
    task, candidates = overfit
    known = {"training": TRAINING, "num_examples": 40, "auxiliary": batch_of(task, 80, 9)}
    return serve(task, 100, candidates=candidates, **known)


@pytest.mark.slow
def test_members_are_told_from_others(view, told_apart):
    assert told_apart(guess(view)) > 0.85


@pytest.mark.slow
def test_a_class_without_public_examples_is_no_more_and_no_less_likely(view):
    public = view.auxiliary[(view.auxiliary.labels != 2).nonzero()[:, 0]]
    score = guess(replace(view, auxiliary=public)).membership
    unknown = view.candidates.labels == 2
    assert torch.allclose(score[unknown], score[~unknown].mean())


@pytest.mark.slow
def test_where_nothing_is_answered_it_guesses(overfit, serve, view, told_apart):
    task, candidates = overfit
    silent = serve(task, 100, lambda said: torch.full_like(said, torch.nan), candidates=candidates)
    assert told_apart(guess(replace(silent, training=TRAINING, auxiliary=view.auxiliary))) == 0.5


def test_without_public_examples_there_is_nothing_to_learn_from(view):
    assert "no public examples" in guess(replace(view, auxiliary=None)).failure
