"""Several rounds of the same data: they help each other, and rounds of other data are noticed."""

from dataclasses import replace

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from fedleak.attacks.parts.engine.objective import by_autograd
from fedleak.attacks.parts.local_training.multi_round_objective import (
    TOLERANCE,
    MultiRoundMatch,
    explained_alike,
    robust,
    vote,
)
from fedleak.attacks.parts.local_training.surrogate import SHARE
from fedleak.contracts.attack import attacks
from fedleak.learning.task import Task
from fedleak.randomness import generator


@pytest.fixture
def rounds_of(observe):
    """What one client sent in each round, the model moving between rounds; the last message holds the others."""

    def observed(task, batches, training=None):
        messages, network = [], task.network
        for number, batch in enumerate(batches, start=1):
            message = observe(Task(task.name, network, task.shape, task.classes), batch, training)
            messages.append(replace(message, task=task, round=number))
            with torch.no_grad():
                for index, value in enumerate(network.parameters()):
                    value.add_(0.05 * torch.randn(value.shape, generator=generator("moved", number, index)))
        return replace(messages[-1], others=tuple(messages[:-1]))

    return observed


def several(observation, batch):
    messages = [observation, *observation.previous_rounds()]
    return MultiRoundMatch.of(messages, batch.labels, (), dtype=torch.float64, device="cpu")


def test_it_wants_other_messages():
    assert attacks.build("several-rounds", {}).requires == {"others"}
    assert attacks.build("best-of", {"attack": {"use": "several-rounds"}}).requires == {"others"}


def test_the_truth_explains_every_round_of_the_same_data(smooth_task, rounds_of, batch_of):
    batch, other = batch_of(smooth_task, 2), batch_of(smooth_task, 2, seed=1)
    truth = {"inputs": batch.inputs.double(), SHARE: torch.tensor(0.0, dtype=torch.float64)}
    same = several(rounds_of(smooth_task, [batch, batch, batch]), batch)
    assert same.loss(truth, by_autograd).item() == pytest.approx(0.0, abs=1e-9)
    mixed = several(rounds_of(smooth_task, [other, batch]), batch)
    now, before = mixed.distances(truth, by_autograd).tolist()
    assert now < 1e-8
    assert before > 0.3


def test_what_does_not_fit_hardly_pulls():
    distances = torch.tensor([1e-4, 1.0], requires_grad=True)
    robust(distances).sum().backward()
    assert distances.grad[0].item() == pytest.approx(1.0, rel=0.01)
    assert distances.grad[1].item() == pytest.approx(TOLERANCE, rel=0.1)


def test_rounds_are_told_apart_by_their_loss():
    assert explained_alike([0.002, 0.004, 0.9]) == [True, True, False]
    assert explained_alike([0.2, 0.4, 0.9]) == [True, True, True]
    assert explained_alike([0.03, 0.04, 0.2]) == [True, True, False]
    assert explained_alike([0.5]) == [True]


def test_labels_are_voted_on():
    named = [torch.tensor([0, 0, 2]), torch.tensor([0, 2, 2]), torch.tensor([0, 0, 2]), None]
    assert vote(named, 3).tolist() == [0, 0, 2]


@pytest.mark.slow
@pytest.mark.parametrize("examples", [1, 2])
def test_it_says_which_rounds_are_of_the_same_data(examples, linear_task, rounds_of, batch_of):
    batch, other = batch_of(linear_task, examples), batch_of(linear_task, examples, seed=1)
    attack = attacks.build("several-rounds", {"steps": 100})
    mixed = attack.run(rounds_of(linear_task, [batch, other, batch]), generator(0))
    assert mixed.note.startswith("matched rounds 1, 3; other examples are behind 2")
    same = attack.run(rounds_of(linear_task, [batch, batch, batch]), generator(0))
    assert same.note == "matched rounds 1, 2, 3"


def test_what_cannot_be_compared_is_left_out(smooth_task, rounds_of, batch_of, with_update):
    seen = rounds_of(smooth_task, [batch_of(smooth_task, 1)] * 2)
    (earlier,) = seen.others
    attack = attacks.build("several-rounds", {"steps": 2})
    broken = with_update(earlier, torch.full_like(earlier.update.vector(), float("nan")))
    for one in (broken, replace(earlier, num_examples=3), replace(earlier, masked=True)):
        assert "no earlier message is comparable" in attack.run(replace(seen, others=(one,)), generator(0)).note
    assert "is at hand" in attack.run(replace(seen, others=()), generator(0)).note


@pytest.mark.slow
def test_more_rounds_are_worth_more(linear_task, rounds_of, batch_of):
    batch = batch_of(linear_task, 6)
    seen = rounds_of(linear_task, [batch] * 4)
    attack = attacks.build("several-rounds", {"steps": 200, "total_variation": 0.0})

    def error(observation):
        """Mean squared error after the assignment that makes it least."""
        inputs = attack.run(observation, generator(0)).inputs
        errors = (inputs[:, None] - batch.inputs[None]).square().flatten(2).mean(2).numpy()
        return errors[linear_sum_assignment(errors)].mean()

    assert error(seen) < 0.7 * error(replace(seen, others=()))
