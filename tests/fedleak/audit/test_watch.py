"""Watcher: it changes nothing, sees what its thread does in a block and no more, and keeps copies."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.transforms import Compose, Normalize, RandomHorizontalFlip, v2

from fedleak.audit import replay, watch
from fedleak.audit.understanding import understood
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


def test_a_thread_that_began_while_another_client_trained_sees_nothing_twice(images) -> None:
    """Flower's older API starts a thread for each client, and lets them in one by one."""
    network, watcher = nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), Watcher()
    turn, trainings = threading.Event(), []

    def later():
        turn.wait()
        with watcher.watching() as training:
            one_step(network, *images)
        trainings.append(training)

    with watcher.watching():
        thread = threading.Thread(target=later)
        thread.start()
    turn.set()
    thread.join()
    (made,) = trainings[0].steps[0].passes
    assert [float(loss.weight) for loss in made.losses] == [1.0]


def test_what_goes_wrong_in_it_is_said_and_is_no_failure_of_the_client(images, seen, monkeypatch) -> None:
    def fails(*_):
        raise ZeroDivisionError("no")

    monkeypatch.setattr(Watcher, "_lost", fails)
    known = understood(seen(one_step))
    assert known.verdict == "not understood"
    assert known.reasons == ("fedleak failed here: ZeroDivisionError: no",)


def test_no_more_is_kept_than_a_number_of_bytes(images, seen, monkeypatch) -> None:
    monkeypatch.setattr(watch, "KEPT_BYTES", 1000)
    update = seen(one_step)
    assert not update.training.steps[0].passes
    monkeypatch.undo()
    monkeypatch.setattr(replay, "KEPT_BYTES", 1000)
    assert "an audit keeps of a training" in understood(update).reasons[0]


def test_torch_func_is_asked_about(seen) -> None:
    def by_function(network, inputs, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

        def loss(values, image, label):
            return functional.cross_entropy(torch.func.functional_call(network, values, (image[None],)), label[None])

        values = {name: value.detach() for name, value in network.named_parameters()}
        slopes = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(values, inputs, labels)
        for name, value in network.named_parameters():
            value.grad = slopes[name].mean(0)
        optimizer.step()

    known = understood(seen(by_function, nn.Sequential(nn.Flatten(), nn.Linear(192, 5))))
    assert known.verdict == "not understood"
    assert "torch.func" in known.reasons[0]
