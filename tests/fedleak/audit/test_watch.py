"""Watcher: it changes nothing, sees what its thread does in a block and no more, and keeps copies."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.transforms import Compose, Normalize, RandomHorizontalFlip, v2

from fedleak.audit.watch import Watcher


def one_step(network, inputs, labels):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    functional.cross_entropy(network(inputs), labels).backward()
    optimizer.step()


def test_training_is_the_same_with_and_without_it(images) -> None:
    states = []
    for watched in (False, True):
        torch.manual_seed(1)
        network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 5))
        if watched:
            with Watcher().watching():
                one_step(network, *images)
        else:
            one_step(network, *images)
        states.append((network.state_dict(), torch.get_rng_state()))
    assert all(torch.equal(value, states[1][0][name]) for name, value in states[0][0].items())
    assert torch.equal(states[0][1], states[1][1])


def test_outside_of_its_block_it_sees_nothing(images) -> None:
    network, watcher = nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), Watcher()
    with watcher.watching() as training:
        pass
    one_step(network, *images)
    assert training.network is None
    assert not training.steps


def test_evaluation_is_not_training(images) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    with Watcher().watching() as training, torch.no_grad():
        functional.cross_entropy(network(images[0]), images[1])
    assert training.network is None


def test_what_it_keeps_does_not_change_with_what_is_trained(images) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    weight, inputs = network[1].weight.detach().clone(), images[0].clone()
    with Watcher().watching() as training:
        one_step(network, *images)
        images[0].zero_()
    assert torch.equal(training.start["1.weight"], weight)
    assert torch.equal(training.steps[0].passes[0].arguments[0], inputs)


@pytest.mark.parametrize("compose", [Compose, v2.Compose])
def test_a_normalization_is_seen_by_its_numbers(images, compose) -> None:
    transform = compose([RandomHorizontalFlip(), Normalize((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))])
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    with Watcher().watching() as training:
        one_step(network, transform(images[0]), images[1])
    ((mean, _),) = training.normalized
    assert mean == pytest.approx((0.4, 0.5, 0.6))
    assert "RandomHorizontalFlip" in training.transforms


def test_a_call_that_fails_leaves_no_hook_behind(images) -> None:
    network = nn.Sequential(nn.Linear(7, 5))
    with pytest.raises(RuntimeError), Watcher().watching():
        network(images[0])
    fine = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    with Watcher().watching() as training:
        one_step(fine, *images)
    assert training.network is fine
    assert len(training.steps) == 1


def test_a_module_of_the_app_s_own_is_not_taken_for_torchvision_s(images) -> None:
    class Normalize(nn.Module):
        mean, std = (0.5,), (0.5,)

        def forward(self, inputs):
            return inputs * 2

    with Watcher().watching() as training:
        one_step(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), Normalize()(images[0]), images[1])
    assert training.normalized == []
