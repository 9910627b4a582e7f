"""The prior guesses without the update."""

from collections import Counter

import torch

from fedleak.contracts.attack import attacks
from fedleak.randomness import generator


def test_the_prior_ignores_the_update(linear_task, observe, batch_of):
    public = batch_of(linear_task, 12, seed=1)
    guesses = [
        attacks.build("prior", {}).run(
            observe(linear_task, batch_of(linear_task, 3, seed)).with_auxiliary(public), generator(0)
        )
        for seed in (2, 3)
    ]
    assert torch.equal(guesses[0].inputs, guesses[1].inputs)
    assert torch.equal(guesses[0].labels, guesses[1].labels)
    assert torch.allclose(guesses[0].inputs[2], public.inputs.mean(0))
    commonest = Counter(public.labels.tolist()).most_common(1)[0][0]
    assert commonest in guesses[0].labels.tolist()


def test_without_public_data_the_prior_is_gray_and_uniform(linear_task, observe, batch_of):
    guess = attacks.build("prior", {}).run(observe(linear_task, batch_of(linear_task, 8)), generator(0))
    assert torch.equal(guess.inputs, torch.full((8, 1, 6, 6), 0.5))
    assert guess.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
