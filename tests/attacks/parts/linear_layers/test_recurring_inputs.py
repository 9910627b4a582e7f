"""Examples that recur in the first layers of sums: which are found, where they were, and which share a client."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.attacks.parts.linear_layers.first_layer import FirstLayer
from fedleak.attacks.parts.linear_layers.recurring_inputs import Recurring, Seen, recurring, same_client
from fedleak.learning.batch import joined
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining
from fedleak.randomness import seeded

LAYER = FirstLayer(weight="1.weight", bias="1.bias", behind="ReLU")
LOCAL = LocalTraining(batch_size=1, batches=3, epochs=3, learning_rate=0.3)


def network(number=0, neurons=60):
    with seeded("sums", number):
        layers = nn.Sequential(nn.Flatten(), nn.Linear(36, neurons), nn.ReLU(), nn.Linear(neurons, 4))
    return Task("tiny-wide", layers, (1, 6, 6), 4)


@pytest.fixture
def sum_of(observe):
    """What the server holds of some clients' batches in a round: the mean of their updates."""

    def summed(task, batches, training=None):
        sent = [observe(task, batch, training) for batch in batches]
        mean = torch.stack([one.update.vector().double() for one in sent]).mean(0).float()
        examples = sum(len(batch) for batch in batches)
        return replace(sent[0], update=sent[0].update.with_vector(mean), num_examples=examples)

    return summed


@pytest.fixture
def clients(batch_of):
    return [batch_of(network(), 3, seed=seed) for seed in range(4)]


def nearest(inputs, batches):
    """Of each input how far off the nearest true example is, and which one that is."""
    truth = joined(batches).inputs.flatten(1).double()
    distances = torch.cdist(inputs, truth)
    return distances.min(1)


def test_what_recurs_is_an_example_and_no_mixture(sum_of, clients):
    sums = [Seen.of(sum_of(network(number, neurons=300), clients[:2]), LAYER) for number in range(2)]
    found = recurring(sums, (0.0, 1.0))
    off, which = nearest(found.inputs, clients[:2])
    assert len(found.inputs) >= 3
    assert off.max() < 1e-3
    assert len(set(which.tolist())) == len(which)


def test_a_mixture_that_one_neuron_shows_in_every_round_is_none(sum_of, clients):
    seen = Seen.of(sum_of(network(neurons=300), clients[:2]), LAYER)
    off, _ = nearest(recurring([seen, seen, seen], (0.0, 1.0)).inputs, clients[:2])
    assert (off < 1e-3).all()


def test_an_example_is_in_the_sums_whose_rows_span_it_and_in_no_other(sum_of, clients):
    pairs = [(0, 1), (1, 2), (2, 3)]
    sums = [
        Seen.of(sum_of(network(number), [clients[place] for place in pair]), LAYER) for number, pair in enumerate(pairs)
    ]
    for place, batch in enumerate(clients):
        for seen, pair in zip(sums, pairs, strict=True):
            assert seen.contains(batch.inputs.flatten(1).double()).tolist() == [place in pair] * 3


def test_rows_that_span_nearly_everything_prove_nothing(sum_of, batch_of):
    many = Seen.of(sum_of(network(), [batch_of(network(), 20)]), LAYER)
    assert not many.contains(batch_of(network(), 20).inputs.flatten(1).double()).any()


def whole(clients, sums):
    """All true examples, known to be in all sums."""
    inputs = joined(clients).inputs.flatten(1).double()
    return Recurring(inputs=inputs, present=torch.ones(len(inputs), len(sums), dtype=torch.bool))


def test_neurons_that_moved_later_tell_who_is_together(sum_of, clients):
    sums = [Seen.of(sum_of(network(number), clients[:2], LOCAL), LAYER) for number in range(4)]
    groups = same_client(sums, whole(clients[:2], sums))
    assert len(groups) < 6
    assert all(len({number // 3 for number in group}) == 1 for group in groups)


def test_one_local_step_tells_nothing_of_it(sum_of, clients):
    sums = [Seen.of(sum_of(network(number), clients[:2]), LAYER) for number in range(4)]
    assert len(same_client(sums, whole(clients[:2], sums))) == 6


def test_groups_that_cannot_be_are_not_made(sum_of, clients):
    sums = [Seen.of(sum_of(network(number), clients[:2], LOCAL), LAYER) for number in range(4)]
    assert len(same_client(sums, whole(clients[:2], sums), lambda _: False)) == 6
