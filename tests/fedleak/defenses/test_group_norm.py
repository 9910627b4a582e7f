"""GroupNorm in place of BatchNorm."""

import pytest
import torch
from torch import nn

from fedleak.api import capture, observe
from fedleak.contracts.chain import Chain
from fedleak.defenses.group_norm import UseGroupNorm
from fedleak.errors import ConfigError
from fedleak.learning.layers import batch_norms
from fedleak.randomness import generator
from fedleak.tasks import initial_weights, task_of, weights_of


def test_every_batch_norm_becomes_a_group_norm_and_the_task_is_not_changed() -> None:
    task = task_of("photos-resnet18")
    names = list(task.network.state_dict())
    hard = Chain((UseGroupNorm(),)).task(task)
    layers = [layer for layer in hard.network.modules() if isinstance(layer, nn.GroupNorm)]
    assert len(layers) == len(batch_norms(task.network)) == 20
    assert not batch_norms(hard.network)
    assert list(task.network.state_dict()) == names
    assert [name for name, _ in hard.network.named_parameters()] == [
        name for name, _ in task.network.named_parameters()
    ]
    assert not list(hard.network.named_buffers())


@pytest.mark.parametrize(("groups", "expected"), [(32, 32), (24, 8), (1, 1), (64, 64), (5, 1)])
def test_the_groups_divide_the_channels(groups: int, expected: int) -> None:
    task = UseGroupNorm(groups=groups).transform_task(task_of("photos-bn-convnet"))
    last = [layer for layer in task.network.modules() if isinstance(layer, nn.GroupNorm)][-1]
    assert (last.num_groups, last.num_channels) == (expected, 64)


def test_scales_and_shifts_are_taken_over() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    nn.init.uniform_(network[1].weight)
    nn.init.uniform_(network[1].bias)
    seen = observe(network, torch.rand(1, 3, 4, 4, generator=generator(0)), torch.tensor([1]), defense=[UseGroupNorm()])
    for name in ("1.weight", "1.bias"):
        assert torch.equal(seen.observation.before.parameters[name], network.state_dict()[name])


def test_an_example_s_output_does_not_depend_on_the_others() -> None:
    hard = Chain((UseGroupNorm(),)).task(task_of("photos-bn-convnet"))
    weights = weights_of(hard.network)
    batch = torch.rand(4, *hard.shape, generator=generator(0))
    together = hard.logits(weights, batch, mode="train")
    alone = torch.cat([hard.logits(weights, image[None], mode="train") for image in batch])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_the_other_layers_start_as_they_would_without_it() -> None:
    task = task_of("photos-bn-convnet")
    plain, hard = initial_weights(task.name, 3), initial_weights(task.name, 3, Chain((UseGroupNorm(),)))
    assert all(torch.equal(value, hard.parameters[name]) for name, value in plain.parameters.items())


def test_a_federation_sends_no_statistics() -> None:
    seen = capture("digits-bn-convnet", clients=1, batch_size=2, defense=[{"use": "group-norm"}])[0].observation
    assert seen.buffers_after is None
    assert seen.update.vector().any()


def test_a_network_without_batch_norm_is_refused() -> None:
    with pytest.raises(ConfigError, match="group-norm: 'digits-mlp' has no BatchNorm layer to replace"):
        Chain((UseGroupNorm(),)).task(task_of("digits-mlp"))
