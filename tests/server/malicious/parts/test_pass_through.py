"""Networks through which examples get to the first linear layer as they are."""

import pytest
import torch
from torch import nn

from fedleak.errors import ConfigError
from fedleak.learning.layers import normalize_inputs
from fedleak.learning.task import Task
from fedleak.randomness import generator, seeded
from fedleak.server.malicious.parts.pass_through import pass_through
from fedleak.tasks import task_of, weights_of

Layers = list[nn.Module]


def behind(features: int) -> Layers:
    return [nn.Flatten(), nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, 4)]


def task(layers: Layers, shape: tuple[int, ...] = (2, 6, 6)) -> Task:
    return Task("tiny", nn.Sequential(*layers), shape, 4)


CONVOLUTIONS = {
    "one": [nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), *behind(3 * 36)],
    "same": [nn.Conv2d(2, 2, 5, padding="same"), *behind(2 * 36)],
    "dilated": [nn.Conv2d(2, 2, 3, padding=2, dilation=2, bias=False), nn.ReLU(), *behind(2 * 36)],
    "strided": [nn.Conv2d(2, 8, 3, stride=2, padding=1), nn.ReLU(), *behind(8 * 9)],
    "two": [nn.Conv2d(2, 9, 2, stride=2), nn.ReLU(), nn.Conv2d(9, 72, 3, stride=3), nn.ReLU(), *behind(72)],
    "none": behind(72),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_every_pixel_gets_to_the_first_linear_layer_once(name: str) -> None:
    with seeded("pass-through", name):
        own = task(CONVOLUTIONS[name])
    weights = weights_of(own.network)
    path = pass_through(own, weights)
    images = torch.rand(3, 2, 6, 6, generator=generator("images"))
    features = path.features(own, weights, images)
    assert int(path.carried.sum()) == 72
    assert not features[:, ~path.carried].any()
    assert torch.equal(features[:, path.carried].sort(1).values, images.flatten(1).sort(1).values)
    assert path.front.keys() <= weights.state_dict().keys()


REFUSED = {
    "a linear layer, and 'tiny' has none": [nn.Conv2d(2, 4, 6), nn.Flatten()],
    "weights and a bias that are trained": [nn.Flatten(), nn.Linear(72, 8, bias=False), nn.ReLU(), nn.Linear(8, 4)],
    "got a MaxPool2d": [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), *behind(36)],
    "got a BatchNorm2d": [nn.BatchNorm2d(2), *behind(72)],
    "expected 8 channels behind the convolution '0' of 'tiny'": [nn.Conv2d(2, 7, 2, stride=2), *behind(7 * 9)],
    "to copy its input to, got 8 in groups": [nn.Conv2d(2, 8, 2, stride=2, groups=2), *behind(8 * 9)],
    "a kernel that covers its stride|whose kernel covers its stride": [nn.Conv2d(2, 8, 1, stride=2), *behind(8 * 9)],
    "another thing than their 72 values": [nn.Conv2d(2, 2, 3), nn.ReLU(), *behind(2 * 16)],
    "expected a ReLU behind the first linear layer '1'": [nn.Flatten(), nn.Linear(72, 4)],
    "which keeps neurons from having a gradient": [nn.Flatten(), nn.Linear(72, 8), nn.LeakyReLU(), nn.Linear(8, 4)],
}


@pytest.mark.parametrize("words", REFUSED)
def test_where_examples_do_not_get_there_a_sentence_says_why(words: str) -> None:
    own = task(REFUSED[words])
    with pytest.raises(ConfigError, match=words):
        pass_through(own, weights_of(own.network))


def test_pixels_that_are_normalized_on_the_way_are_another_thing() -> None:
    own = task(behind(72))
    normalize_inputs(own.network, (0.4, 0.5), (0.2, 0.2))
    with pytest.raises(ConfigError, match="another thing"):
        pass_through(own, weights_of(own.network))


def test_values_below_zero_do_not_pass() -> None:
    own = task_of("diabetes-mlp")
    with pytest.raises(ConfigError, match="without negative values"):
        pass_through(own, weights_of(own.network))
