"""The adaptive form of a distance: zero where a dummy update explains what a defense let through."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.parts.engine.defense_aware import adapted
from fedleak.attacks.parts.engine.distances import cosine, squared
from fedleak.contracts.chain import Chain
from fedleak.learning.training import LocalTraining
from fedleak.randomness import generator

SPARSE, NOISY = {"use": "top-k", "fraction": 0.2}, {"use": "gaussian-noise", "std": 1e-4}
SIGNS, SHORT = {"use": "sign-sgd"}, {"use": "clipping", "max_norm": 1e-3}


@pytest.fixture
def seen(linear_task, observe, batch_of):
    """What a server sees of one client under a chain, and the gradient that the client really had."""

    def observed(*tables, training=None):
        clear = observe(linear_task, batch_of(linear_task, 2), training)
        chain = Chain.build(tuple(tables))
        return replace(clear, update=chain.protect(clear.update, generator("defense")), defense=chain), clear.gradient()

    return observed


def distance(observation, gradient, kind=cosine):
    observed = list(observation.gradient().values())
    return float(adapted(observation, kind)(observed)([gradient[name] for name in observation.before.parameters]))


def test_nothing_changes_without_a_defense_or_for_a_sum_of_clients(seen):
    clear, _ = seen()
    sparse, _ = seen(SPARSE)
    for observation in (clear, replace(sparse, cohort=(0, 1)), replace(sparse, masked=True)):
        assert adapted(observation, cosine) is cosine


@pytest.mark.parametrize("kind", [cosine, squared])
def test_under_sparsification_the_truth_is_a_perfect_match(seen, kind):
    observation, truth = seen(SPARSE)
    assert distance(observation, truth, kind) < 1e-6
    assert float(kind(list(observation.gradient().values()))(list(truth.values()))) > 0.01


@pytest.mark.parametrize("chain", [(SPARSE,), (NOISY,), (SIGNS,), (SPARSE, NOISY), (SHORT, NOISY)])
def test_the_truth_fits_better_than_zeros_and_than_another_gradient(seen, chain):
    observation, truth = seen(*chain)
    other = {name: value.flip(0) for name, value in truth.items()}
    right, wrong = distance(observation, truth), distance(observation, other)
    assert right < wrong
    assert right < 1.0


def test_a_likelihood_is_zero_for_what_was_sent_and_one_for_nothing(seen):
    observation, truth = seen(NOISY)
    assert distance(observation, observation.gradient()) == pytest.approx(0.0, abs=1e-5)
    assert distance(observation, {name: torch.zeros_like(value) for name, value in truth.items()}) == pytest.approx(1.0)


def test_where_no_length_is_known_the_likelihood_does_not_ask_for_one(seen):
    observation, truth = seen(NOISY)
    unknown = replace(observation, training=LocalTraining(learning_rate=None))
    twice = {name: 2 * value for name, value in truth.items()}
    assert distance(unknown, truth) == pytest.approx(distance(unknown, twice), abs=1e-5)
    assert distance(observation, truth) != pytest.approx(distance(observation, twice), abs=1e-3)


def test_weight_decay_is_part_of_what_was_defended(seen):
    observation, truth = seen(SPARSE, training=LocalTraining(batch_size=2, weight_decay=0.3))
    assert distance(observation, truth) < 1e-5


def test_it_can_be_differentiated(seen):
    for chain in ((SPARSE,), (NOISY,), (SIGNS,), (SPARSE, NOISY)):
        observation, truth = seen(*chain)
        moving = [value.clone().requires_grad_() for value in truth.values()]
        loss = adapted(observation, cosine)(list(observation.gradient().values()))([1.1 * one for one in moving])
        gradients = torch.autograd.grad(loss, moving, allow_unused=True)
        assert all(torch.isfinite(one).all() for one in gradients if one is not None)
        assert any(one is not None and one.any() for one in gradients)
