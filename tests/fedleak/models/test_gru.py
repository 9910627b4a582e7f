"""The network on characters: what torch's own units compute, stacked and by example as one by one; it learns."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, vmap

from fedleak.data.splits import load
from fedleak.gradients.per_sample import example_gradients
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.training import LocalTraining, Step, train_locally
from fedleak.models.gru import CharacterGRU
from fedleak.randomness import generator, seeded
from fedleak.tasks import initial_weights, task_of

CHARACTERS, HIDDEN = 20, 6


@pytest.fixture
def network() -> CharacterGRU:
    with seeded("a small network"):
        return CharacterGRU(CHARACTERS, HIDDEN)


def windows(count: int) -> torch.Tensor:
    return 2 * torch.rand(count, 9, generator=generator("windows")) - 1


def test_it_is_torchs_gated_recurrent_unit_on_one_hot_characters(network: CharacterGRU) -> None:
    theirs = nn.GRU(CHARACTERS, HIDDEN, batch_first=True)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(network.embedding.weight.T)
        theirs.weight_hh_l0.copy_(network.recurrence.weight)
        theirs.bias_hh_l0.copy_(network.recurrence.bias)
        theirs.bias_ih_l0.zero_()
    inputs = windows(7)
    places = ((inputs + 1) / 2 * (CHARACTERS - 1)).round().long()
    states, _ = theirs(F.one_hot(places, CHARACTERS).float())
    assert torch.allclose(network(inputs), network.head(states[:, -1]), atol=1e-6)


def test_stacked_it_computes_what_each_does(network: CharacterGRU) -> None:
    stacked = {name: torch.stack([value, 0.5 * value]) for name, value in network.named_parameters()}
    inputs = windows(4)
    both = vmap(lambda state: functional_call(network, state, (inputs,)))(stacked)
    for place, outputs in enumerate(both):
        alone = functional_call(network, {name: value[place] for name, value in stacked.items()}, (inputs,))
        assert torch.allclose(outputs, alone, atol=1e-6)


@pytest.mark.slow
def test_gradients_of_examples_are_those_one_by_one_and_nobody_is_warned(recwarn: pytest.WarningsRecorder) -> None:
    examples = load("pydoc-gru").clients[torch.arange(0, 4000, 1000)]
    step = Step(task=task_of("pydoc-gru"), weights=initial_weights("pydoc-gru", 0), examples=examples, mode="train")
    together = example_gradients(step)
    assert not [one for one in recwarn if "hook" in str(one.message)]
    for place in range(len(examples)):
        alone = replace(step, examples=examples[torch.tensor([place])]).gradient()
        for name, slope in alone.items():
            assert torch.allclose(together[name][place], slope, atol=1e-6)


def test_federations_of_it_are_trained_at_once() -> None:
    task, public = task_of("pydoc-gru"), load("pydoc-gru").auxiliary[torch.arange(24)]
    facts = LocalTraining(batch_size=4, batches=None, learning_rate=0.5)
    stack = StackedFederations.drawn(task, public, facts, federations=3, clients=2, examples=16, rounds=1)
    after = stack.trained()
    assert {len(value) for value in after.values()} == {3}
    assert not torch.equal(after["head.weight"][0], after["head.weight"][1])


@pytest.mark.slow
def test_it_learns_more_than_which_character_is_most_frequent() -> None:
    task, splits = task_of("pydoc-gru"), load("pydoc-gru")
    taken = splits.clients[torch.randperm(len(splits.clients), generator=generator("taken"))[:3200]]
    facts = LocalTraining(batch_size=32, batches=100, learning_rate=1.0)
    after = train_locally(task, initial_weights("pydoc-gru", 0), taken, facts, ("learns",))
    with torch.no_grad():
        right = task.logits(after, splits.test.inputs, mode="eval").argmax(1) == splits.test.labels
    most = splits.test.labels.bincount().max() / len(splits.test)
    assert right.float().mean() > most + 0.08
