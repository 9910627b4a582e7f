"""Splitting: of a network of layers nothing is lost that is not said, whatever its layers are."""

import math

import pytest
import torch
from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.errors import ConfigError
from fedleak.learning.split import ACTIVE, ActiveParty, Party, held_by
from fedleak.settings.columns import Split
from fedleak.settings.task import TaskSettings
from fedleak.tasks import hardened, initial_weights


class Doubled(nn.Sequential):
    def forward(self, inputs):
        return super().forward(2 * inputs)


def layers(shape, *above, kind=nn.Sequential):
    return kind(nn.Flatten(), nn.Linear(math.prod(shape), 16), *above)


def repeated(shape, classes):
    act = nn.ReLU()
    return layers(shape, act, nn.Linear(16, 8), act, nn.Linear(8, classes))


def tied(shape, classes):
    square = nn.Linear(16, 16)
    return layers(shape, square, nn.ReLU(), square, nn.Linear(16, classes))


def doubled(shape, classes):
    return layers(shape, nn.ReLU(), nn.Linear(16, classes), kind=Doubled)


def hooked(shape, classes):
    network = layers(shape, nn.ReLU(), nn.Linear(16, classes))
    network.register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    return network


def normed(shape, classes):
    return layers(shape, nn.ReLU(), nn.utils.parametrizations.weight_norm(nn.Linear(16, classes)))


def precise(shape, classes):
    return layers(shape, nn.BatchNorm1d(16), nn.Linear(16, classes)).double()


def cut(network, place, **settings):
    """The joint task on digits, and its weights."""
    table = TaskSettings.model_validate({"data": "digits", "network": f"{__name__}:{network.__name__}", **settings})
    split = Split(parties=2, cut=place)
    return hardened(table, Chain(), split), initial_weights(table, 0, split=split)


def test_a_layer_that_comes_twice_stays_twice():
    top = cut(repeated, 2)[0].network.top
    assert [type(one).__name__ for one in top] == ["ReLU", "Linear", "ReLU", "Linear"]


@pytest.mark.parametrize(
    ("network", "place", "sentence"),
    [
        (tied, 2, "shares its weights with another layer"),
        (tied, 3, r"both sides of the cut \(3\) share weights"),
        (doubled, 2, "got Doubled with a forward of its own"),
        (hooked, 2, "got Sequential with hooks of its own"),
        (normed, 3, "ParametrizedLinear above the cut does not take"),
    ],
)
def test_what_would_be_another_network_is_refused(network, place, sentence):
    with pytest.raises(ConfigError, match=sentence):
        cut(network, place)


def test_a_frozen_layer_that_is_made_wider_stays_frozen():
    weights = cut(repeated, 3, freeze=["3"])[1]
    assert weights.buffers["top.0.weight"].shape == (8, 32)
    assert "top.0.weight" not in weights.parameters


@pytest.mark.parametrize("place", [1, 2])
def test_parties_compute_in_the_precision_of_the_network(place):
    task, start = cut(precise, place)
    examples, labels = torch.rand(4, 1, 8, 8), torch.arange(4)
    own = [task.network.part(examples, party) for party in range(2)]
    held = [held_by(start, party) for party in range(2)]
    sent = Party(task.network, 1).embedding(held[1], own[1], "eval")
    step = ActiveParty(task.network, ACTIVE, task.criterion).step(held[0], own[0], [sent], labels, "eval")
    assert sent.dtype == step.slopes[0].dtype == torch.float64
    assert step.loss == pytest.approx(task.loss(start, examples, labels, mode="eval").item(), abs=1e-12)
