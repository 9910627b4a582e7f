"""Gap: what the model is right about was trained on."""

import pytest

from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


def test_it_finds_what_accuracy_in_training_is_above_that_on_others(overfit, release, told_apart):
    task, candidates = overfit
    view = release(task, candidates=candidates)
    right = task.logits(view.weights, candidates.inputs, mode="eval").argmax(1) == candidates.labels
    gap = float(right[:40].double().mean() - right[40:].double().mean())
    assert gap > 0.4
    assert told_apart(attacks.build("gap", {}).run(view, generator(0))) == pytest.approx(0.5 + gap / 2)
