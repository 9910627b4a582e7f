"""Choosing among attempts by the attacker's own loss, and guessing without the update."""

import math
from collections import Counter

import torch

from fedleak.attacks.wrappers.best_of import BestOf, best_of
from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.progress import listening, report
from fedleak.randomness import generator


def attempts(*losses):
    remaining = iter(losses)

    def attempt(rng):
        loss = next(remaining)
        report(1, 1)
        return Reconstruction.failed("no") if loss is None else Reconstruction(mismatch=loss)

    return attempt


def test_the_lowest_own_loss_wins():
    assert best_of(attempts(0.3, 0.1, 0.2), 3, generator(0)).mismatch == 0.1
    assert best_of(attempts(None, math.nan, 0.2), 3, generator(0)).mismatch == 0.2
    assert best_of(attempts(None, None), 2, generator(0)).failure == "no"


def test_a_success_ends_the_search_and_progress_is_told_as_a_whole():
    told = []
    with listening(lambda done, total: told.append((done, total))):
        assert best_of(attempts(0.3, 0.1, 0.0), 3, generator(0), tolerance=0.2).mismatch == 0.1
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_best_of_wraps_an_attack(smooth_task, observe, batch_of):
    observation = observe(smooth_task, batch_of(smooth_task, 1))
    single = attacks.build("inverting-gradients", {"steps": 10, "optimiser": "signed-adam"})
    rng = generator(5)
    own = [single.run(observation, rng).mismatch for _ in range(4)]
    assert BestOf(attack=single, restarts=4).run(observation, generator(5)).mismatch == min(own)


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


def test_without_public_data_the_prior_is_grey_and_uniform(linear_task, observe, batch_of):
    guess = attacks.build("prior", {}).run(observe(linear_task, batch_of(linear_task, 8)), generator(0))
    assert torch.equal(guess.inputs, torch.full((8, 1, 6, 6), 0.5))
    assert guess.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
