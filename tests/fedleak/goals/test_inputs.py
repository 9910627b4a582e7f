"""Guesses at examples in the order of the truth, and what stands for those that were not guessed."""

import torch

from fedleak.contracts.reconstruction import Reconstruction
from fedleak.goals.answer import Answer
from fedleak.goals.inputs import Inputs
from fedleak.learning.batch import Batch
from fedleak.randomness import generator


def truth() -> Batch:
    return Batch(torch.rand(3, 1, 2, 2, generator=generator("truth")), torch.zeros(3, dtype=torch.long))


def test_an_example_without_a_guess_has_the_fallback_or_nothing() -> None:
    made = Reconstruction(inputs=truth().inputs[1:2].clone())
    ordered = Inputs().aligned(made, Answer(truth=truth())).inputs
    assert torch.equal(ordered[1], truth().inputs[1])
    assert ordered[[0, 2]].isnan().all()
    gray = torch.full((1, 2, 2), 0.5)
    with_gray = Reconstruction(inputs=made.inputs, fallback=gray)
    ordered = Inputs().aligned(with_gray, Answer(truth=truth())).inputs
    assert torch.equal(ordered[1], truth().inputs[1])
    assert torch.equal(ordered[0], gray)


def test_a_fallback_takes_no_guess_from_an_example() -> None:
    """It has no part in the matching, in which a mean image could send an exact guess elsewhere."""
    examples = truth()
    fallback = examples.inputs[0] + 1e-3
    made = Reconstruction(inputs=examples.inputs[[0]].clone(), fallback=fallback)
    ordered = Inputs().aligned(made, Answer(truth=examples)).inputs
    assert torch.equal(ordered[0], examples.inputs[0])
