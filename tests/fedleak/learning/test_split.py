"""Split network: what parties compute apart is, step by step, what the joint network computes in one place."""

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.learning.facts import LocalTraining
from fedleak.learning.optimizer import Optimizer
from fedleak.learning.split import ACTIVE, ActiveParty, Party, held_by, joint
from fedleak.learning.training import batch_order, train_locally
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.settings.columns import Split
from fedleak.tasks import hardened, initial_weights, source_of


def split_by_hand(task, weights, rows, training, seed_key):
    """Each party with what it holds alone: forward, top, backward."""
    network = task.network
    parties = len(network.bottoms)
    active = ActiveParty(network, ACTIVE, task.criterion)
    held = [held_by(weights, party).clone() for party in range(parties)]
    optimizers = [Optimizer(training) for _ in held]

    def down(party, gradients):
        at = held[party].parameters
        change = optimizers[party].change(gradients, at, None, training.learning_rate)
        at.update({name: value - change[name] for name, value in at.items()})

    for (chosen,) in batch_order(len(rows), training, generator(*seed_key, "order")):
        own = [network.part(rows.inputs[chosen], party) for party in range(parties)]
        sent = [Party(network, party).embedding(held[party], own[party], "train") for party in range(1, parties)]
        step = active.step(held[ACTIVE], own[ACTIVE], sent, rows.labels[chosen], "train")
        gradients = [
            Party(network, 1 + k).slopes(held[1 + k], own[1 + k], slope, "train") for k, slope in enumerate(step.slopes)
        ]
        for party, one in enumerate([step.gradients, *gradients]):
            down(party, one)
    return {name: value for one in held for name, value in one.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("parties", [2, 3, 4])
@pytest.mark.parametrize(
    ("task", "cut"),
    [("digits-mlp", None), ("digits-mlp", 2), ("digits-convnet", 2), ("digits-convnet", None), ("diabetes-mlp", 3),
     ("digits-bn-convnet", 3)],
)  # fmt: skip
def test_parties_apart_train_the_joint_network(task, cut, parties):
    split = Split(parties=parties, cut=cut)
    joint_task, start = hardened(task, Chain(), split), initial_weights(task, 0, split=split)
    rows = load(source_of(task)).clients[torch.arange(40)]
    training = LocalTraining(batch_size=8, batches=5, epochs=2, learning_rate=0.1, momentum=0.9, weight_decay=0.01)
    whole = train_locally(joint_task, start, rows, training, (3,)).state_dict()
    apart = split_by_hand(joint_task, start, rows, training, (3,))
    assert apart.keys() == whole.keys()
    for name, value in whole.items():
        torch.testing.assert_close(apart[name], value, rtol=0, atol=1e-6)


def test_each_weight_is_held_by_one_party():
    start = initial_weights("digits-mlp", 0, split=Split(parties=3))
    held = [held_by(start, party).state_dict() for party in range(3)]
    assert sorted(name for one in held for name in one) == sorted(start.state_dict())
    assert all("top." not in name for one in held[1:] for name in one)


def test_sending_leaves_weights_and_buffers_alone():
    split = Split(parties=2, cut=3)
    task, start = hardened("digits-bn-convnet", Chain(), split), initial_weights("digits-bn-convnet", 0, split=split)
    held = held_by(start, 1)
    before = Weights.clone(held)
    Party(task.network, 1).embedding(held, torch.rand(4, 1, 8, 4), "train")
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in held.state_dict().items())


def test_feature_maps_stand_side_by_side():
    left, right = torch.zeros(2, 3, 8, 3), torch.ones(2, 3, 8, 5)
    assert joint([left, right]).shape == (2, 3, 8, 8)
