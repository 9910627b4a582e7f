"""Capturing: an attacker gets the network as it was sent, trains what was trained, and has nothing of the client's."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from fedleak.audit.answers import Answers
from fedleak.audit.capturing import captured, network_of
from fedleak.audit.knowledge import truth_of
from fedleak.audit.local_training import training_of
from fedleak.audit.replay import NO_PULL
from fedleak.audit.understanding import understood

NONE = Answers()


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Sigmoid(), nn.Linear(16, 5))


def the_head_alone(network, inputs, labels):
    optimizer = torch.optim.SGD(network[3].parameters(), lr=0.1)
    functional.cross_entropy(network(inputs), labels).backward()
    optimizer.step()


def test_what_the_optimizer_does_not_have_does_not_train(seen) -> None:
    update = seen(the_head_alone, mlp())
    network = network_of(update, understood(update), None)
    trained = [name for name, value in network.named_parameters() if value.requires_grad]
    assert trained == ["3.weight", "3.bias"]


def test_what_stays_with_the_client_is_held_still_as_it_began(seen) -> None:
    """BatchNorm's own, as in FedBN: an attacker has no statistics after it, and trains none of it."""

    def whole(network, inputs, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()

    update = seen(whole)
    shared = {name for name in update.sent if not name.startswith("1.")}
    update = replace(update, **{side: {n: getattr(update, side)[n] for n in shared} for side in ("sent", "received")})
    known = understood(update)
    assert known.verdict == "understood", known.reasons
    network = network_of(update, known, None)
    assert [name for name, value in network.named_parameters() if not value.requires_grad] == ["1.weight", "1.bias"]
    assert torch.equal(network.state_dict()["1.running_mean"], torch.zeros(4))
    facts = training_of(update, known.pull, NONE)
    made = captured(update, known, network, truth_of(update, NONE), ("cross-entropy", {}), facts)
    assert made.observation.buffers_after is None
    assert set(made.observation.update.tensors) == {"0.weight", "0.bias", "5.weight", "5.bias"}


@pytest.mark.parametrize(("reported", "told"), [({"num-examples": 5.0}, 5), ({"num-examples": 900.0}, 6), ({}, 6)])
def test_an_attacker_counts_as_is_reported_and_no_more_than_was_trained_on(seen, reported, told: int) -> None:
    update = replace(seen(the_head_alone, mlp()), reported=reported)
    known = understood(update)
    network, truth, facts = network_of(update, known, None), truth_of(update, NONE), training_of(update, NO_PULL, NONE)
    made = captured(update, known, network, truth, ("cross-entropy", {}), facts)
    assert made.observation.num_examples == told
