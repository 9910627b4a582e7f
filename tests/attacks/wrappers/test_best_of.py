"""Choosing among attempts by the attacker's own loss."""

import math

import pytest

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


@pytest.mark.slow
def test_best_of_wraps_an_attack(smooth_task, observe, batch_of):
    observation = observe(smooth_task, batch_of(smooth_task, 1))
    single = attacks.build("inverting-gradients", {"steps": 10, "optimiser": "signed-adam"})
    rng = generator(5)
    own = [single.run(observation, rng).mismatch for _ in range(4)]
    assert BestOf(attack=single, restarts=4).run(observation, generator(5)).mismatch == min(own)
