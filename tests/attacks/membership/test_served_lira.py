"""LiRA on a service: all confidences are as good as the weights."""

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator

KNOWN = {
    "training": LocalTraining(batch_size=10, batches=4, epochs=30, learning_rate=0.1, momentum=0.9),
    "num_examples": 40,
}


def guess(view, name="served-lira"):
    return attacks.build(name, {"shadows": 12}).run(view, generator(0))


@pytest.mark.slow
def test_all_confidences_are_as_good_as_the_weights(overfit, serve, release, told_apart):
    task, candidates = overfit
    served = told_apart(guess(serve(task, 100, candidates=candidates, **KNOWN)))
    assert served == pytest.approx(told_apart(guess(release(task, candidates=candidates, **KNOWN), "lira")), abs=0.02)
    assert served > 0.9


@pytest.mark.slow
def test_where_nothing_is_answered_it_guesses(overfit, serve, told_apart):
    task, candidates = overfit
    silent = serve(task, 100, lambda said: torch.full_like(said, torch.nan), candidates=candidates, **KNOWN)
    assert told_apart(guess(silent)) == 0.5
