"""Boundary distance: labels of noisy copies tell how far the boundary is, and whose distance says member."""

import math
from dataclasses import replace

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.shadows import ShadowBank
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator


class Once(ShadowBank):
    """Trains what it is asked for once in this file."""

    def __init__(self):
        self.made = {}

    def trained(self, asked):
        if asked.address not in self.made:
            self.made[asked.address] = asked.trained()
        return self.made[asked.address]


KNOWN = {
    "shadows": Once(),
    "training": LocalTraining(batch_size=10, batches=4, epochs=30, learning_rate=0.1, momentum=0.9),
    "num_examples": 40,
}


def label(said):
    return torch.nn.functional.one_hot(said.argmax(1), 4).float()


def guess(view, name="boundary-distance", **options):
    given = {"shadows": 12, "copies": 12, "noise": 0.1, **options} if name == "boundary-distance" else {}
    return attacks.build(name, given).run(view, generator(0))


@pytest.mark.slow
def test_labels_of_copies_tell_more_than_the_label_alone(overfit, serve, told_apart):
    task, candidates = overfit
    view = serve(task, 1300, label, candidates=candidates, **KNOWN)
    by_label = told_apart(guess(view, "served-gap"))
    own = told_apart(guess(serve(task, 1300, label, candidates=candidates, **KNOWN)))
    plain = told_apart(guess(serve(task, 1300, label, candidates=candidates, **KNOWN), shadows=0))
    assert own > by_label + 0.05
    assert plain > by_label + 0.02


@pytest.mark.slow
def test_confidences_are_not_looked_at(overfit, serve):
    task, candidates = overfit
    found = [guess(serve(task, 700, answer, candidates=candidates, **KNOWN)) for answer in (label, torch.clone)]
    assert torch.equal(found[0].membership, found[1].membership)


def test_the_share_of_copies_is_that_of_a_normal_distribution_beyond_the_boundary(serve, linear_task):
    """Of two half-spaces: Phi(distance / noise), in the middle of the range, where nothing is clamped."""
    task = linear_task
    weight = torch.randn(36, generator=generator("half-spaces"))

    view = serve(task, 10**6, candidates=None)
    direction = weight / weight.norm()
    distances = torch.linspace(0.01, 0.2, 8)
    inputs = (0.5 + distances[:, None] * direction).reshape(-1, 1, 6, 6)

    def sides(asked):
        side = ((asked.flatten(1) - 0.5) @ direction > 0).long()
        return torch.nn.functional.one_hot(side, 4).float()

    view.service.probabilities = sides
    records = Batch(inputs, torch.ones(8, dtype=torch.int64))
    share = guess(replace(view, candidates=records), shadows=0, copies=1000, noise=0.1).membership
    wanted = [0.5 * (1 + math.erf(float(distance) / 0.1 / math.sqrt(2))) for distance in distances]
    assert share.tolist() == pytest.approx(wanted, abs=0.04)


def test_the_budget_goes_to_all_candidates_before_anyone_has_one_more(overfit, serve):
    task, candidates = overfit
    view = serve(task, 250, label, candidates=candidates, **KNOWN)
    guess(view)
    assert [len(part) for part in view.service.log] == [100, 100, 50]
    assert torch.equal(view.service.log[0], candidates.inputs)
    assert not torch.equal(view.service.log[1], candidates.inputs)


@pytest.mark.slow
def test_beyond_the_budget_they_are_no_more_and_no_less_likely(overfit, serve):
    task, candidates = overfit
    for shadows in (0, 8):
        score = guess(serve(task, 30, label, candidates=candidates, **KNOWN), shadows=shadows).membership
        assert torch.allclose(score[30:], score[:30].mean())
        assert not shadows or score[:30].std() > 0  # all of them are members, and right


@pytest.mark.parametrize("queries", [0, 300])
def test_where_nothing_is_answered_it_guesses(overfit, serve, told_apart, queries):
    task, candidates = overfit
    silent = serve(task, queries, lambda said: torch.full_like(said, torch.nan), candidates=candidates, **KNOWN)
    assert told_apart(guess(silent)) == 0.5


def test_a_noise_that_tells_is_found_by_models_of_its_own(overfit, serve, told_apart):
    task, candidates = overfit
    view = serve(task, 1300, label, candidates=candidates, **KNOWN)
    assert told_apart(guess(view, noise=None)) > told_apart(guess(view, "served-gap")) + 0.05


@pytest.mark.slow
def test_public_examples_do_where_shadows_are_trained_before(overfit, serve, told_apart, batch_of):
    task, candidates = overfit
    public = {**KNOWN, "auxiliary": batch_of(task, 80, 9)}
    assert told_apart(guess(serve(task, 1300, label, candidates=candidates, **public), online=False)) > 0.7
    without = serve(task, 1300, label, candidates=candidates, **KNOWN)
    assert "no public examples" in guess(without, online=False).failure
