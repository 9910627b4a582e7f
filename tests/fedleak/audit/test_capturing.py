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
from fedleak.audit.troubles import Unclear
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


def test_a_layer_that_stays_with_the_client_is_not_handed_to_an_attacker(seen) -> None:
    """Also where the training is told in a file, as then an update is attacked that was not understood."""
    update = seen(the_head_alone, mlp())
    shared = {name: value for name, value in update.sent.items() if not name.startswith("3.")}
    update = replace(update, sent=shared)
    with pytest.raises(Unclear, match=r"'3.bias' of the network is not in the message, and the server does not have"):
        network_of(update, understood(update), None)


@pytest.mark.parametrize(("reported", "told"), [({"num-examples": 5.0}, 5), ({"num-examples": 900.0}, 6), ({}, 6)])
def test_an_attacker_counts_as_is_reported_and_no_more_than_was_trained_on(seen, reported, told: int) -> None:
    update = replace(seen(the_head_alone, mlp()), reported=reported)
    known = understood(update)
    network, truth, facts = network_of(update, known, None), truth_of(update, NONE), training_of(update, NO_PULL, NONE)
    made = captured(update, known, network, truth, ("cross-entropy", {}), facts)
    assert made.observation.num_examples == told
