"""Local training: told in the terms of attacks, it makes the same update; what attacks have no terms for is said."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from fedleak.audit.answers import Answers
from fedleak.audit.examples import first_tensor
from fedleak.audit.local_training import training_of
from fedleak.audit.replay import NO_PULL
from fedleak.audit.troubles import Unclear
from fedleak.audit.understanding import understood
from fedleak.learning.optimizer import Optimizer, mean_of, rates

NONE = Answers()


def sgd(values):
    return torch.optim.SGD(values, lr=0.1, momentum=0.9, weight_decay=0.01)


def steps(optimizer=sgd, loss=functional.cross_entropy, epochs=1, size=2, accumulate=1, clip=0.0, schedule=None,
          term=lambda network, start: 0.0):  # fmt: skip
    """A training loop as in any tutorial."""

    def train(network, inputs, labels):
        own = optimizer(network.parameters())
        scheduler = schedule(own) if schedule else None
        start = [value.detach().clone() for value in network.parameters()]
        for _ in range(epochs):
            for place, chosen in enumerate(torch.randperm(len(labels)).split(size), 1):
                (loss(network(inputs[chosen]), labels[chosen]) + term(network, start)).backward()
                if place % accumulate:
                    continue
                if clip:
                    nn.utils.clip_grad_norm_(network.parameters(), clip)
                own.step()
                own.zero_grad()
                if scheduler:
                    scheduler.step()

    return train


def smooth():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Sigmoid(), nn.Linear(8, 5))


def by_an_attacker(update, facts):
    """The update as an attacker simulates it: means over batches, by fedleak's own optimizer and rates."""
    training, start = update.training, {name: update.sent[name].clone() for name in update.sent}
    at, own = dict(start), Optimizer(facts)
    for step, rate in zip(training.steps, rates(facts, len(training.steps)), strict=True):
        slopes = []
        for one in step.passes:
            leaves = {name: value.detach().requires_grad_() for name, value in at.items()}
            scores = functional_call(training.network, leaves, first_tensor(one))
            loss = functional.cross_entropy(scores, one.loss.target)
            slopes.append(dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True)))
        moved = {name: start[name] - value for name, value in at.items()}
        down = own.change(mean_of(slopes), at, moved, rate)
        at = {name: value - down[name] for name, value in at.items()}
    return at


def proximal(network, start):
    pairs = zip(network.parameters(), start, strict=True)
    return 0.3 / 2 * sum((value - first).norm(2) ** 2 for value, first in pairs)


def penalty(network, start):
    return 0.05 * sum(value.pow(2).sum() for value in network.parameters())


def adam(values):
    return torch.optim.Adam(values, lr=0.01, weight_decay=0.1)


TRAININGS = {
    "accumulation": steps(accumulate=3, loss=lambda s, y: functional.cross_entropy(s, y) / 3, epochs=2),
    "accumulation without a mean": steps(accumulate=3, epochs=2),
    "a share of a loss": steps(loss=lambda s, y: functional.cross_entropy(s, y) * 0.25, clip=0.3),
    "a share of a loss, Adam": steps(adam, loss=lambda s, y: functional.cross_entropy(s, y) * 0.25, clip=0.3),
    "a sum": steps(loss=nn.CrossEntropyLoss(reduction="sum")),
    "a mean of each example's": steps(loss=lambda s, y: functional.cross_entropy(s, y, reduction="none").mean()),
    "a schedule": steps(schedule=lambda one: torch.optim.lr_scheduler.CosineAnnealingLR(one, T_max=7, eta_min=1e-3)),
    "a schedule that warms up": steps(
        loss=lambda s, y: functional.cross_entropy(s, y) * 2,
        schedule=lambda one: torch.optim.lr_scheduler.LinearLR(one, start_factor=0.25, total_iters=3),
    ),
    "a proximal term": steps(term=proximal, epochs=2),
    "a penalty": steps(term=penalty, epochs=2),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_what_attackers_are_told_makes_the_update(seen, name: str) -> None:
    update = seen(TRAININGS[name], smooth())
    known = understood(update)
    assert known.verdict == "understood", known.reasons
    made = by_an_attacker(update, training_of(update, known.pull, NONE))
    for key, value in update.received.items():
        change = (value - update.sent[key]).abs().max()
        assert (made[key] - value).abs().max() <= 1e-4 * change


def test_a_schedule_of_the_app_s_own_is_not_known(seen) -> None:
    def own(optimizer):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))

    with pytest.raises(Unclear, match="learning rate changes from step to step"):
        training_of(seen(steps(schedule=own), smooth()), NO_PULL, NONE)


def test_examples_with_weights_of_their_own_are_not_a_mean(seen) -> None:
    def loss(scores, labels):
        return (functional.cross_entropy(scores, labels, reduction="none") * torch.tensor([0.2, 0.8])).sum()

    update = seen(steps(loss=loss), smooth())
    assert understood(update).verdict == "understood"
    with pytest.raises(Unclear, match="weighted each by a number of its own"):
        training_of(update, NO_PULL, NONE)


def test_a_scale_that_changes_is_not_known(seen) -> None:
    scales = iter((1.0, 2.0, 3.0))
    update = seen(steps(loss=lambda s, y: functional.cross_entropy(s, y) * next(scales)), smooth())
    assert understood(update).verdict == "understood"
    with pytest.raises(Unclear, match="scaled by numbers that change"):
        training_of(update, NO_PULL, NONE)


def test_groups_with_numbers_of_their_own_are_done_again_and_not_attacked(seen) -> None:
    def grouped(values):
        first, *rest = values
        return torch.optim.SGD([{"params": [first], "lr": 0.3}, {"params": rest}], lr=0.1)

    update = seen(steps(grouped), smooth())
    assert understood(update).verdict == "understood"
    with pytest.raises(Unclear, match="differ between steps or groups"):
        training_of(update, NO_PULL, NONE)


def test_training_is_told_in_the_terms_of_a_task(seen) -> None:
    adam = training_of(seen(steps(lambda v: torch.optim.Adam(v, lr=0.01, betas=(0.8, 0.99)), epochs=2)), NO_PULL, NONE)
    assert (adam.optimizer, adam.learning_rate, adam.betas) == ("adam", 0.01, (0.8, 0.99))
    assert (adam.batch_size, adam.batches, adam.epochs) == (2, 3, 2)
    sgd = training_of(seen(steps(lambda v: torch.optim.SGD(v, lr=0.3, momentum=0.9), size=6, clip=1.5)), NO_PULL, NONE)
    assert (sgd.batch_size, sgd.batches, sgd.epochs, sgd.momentum, sgd.gradient_clipping) == (6, 1, 1, 0.9, 1.5)
    with pytest.raises(Unclear, match="RMSprop is out of scope"):
        training_of(seen(steps(lambda v: torch.optim.RMSprop(v, lr=0.01))), NO_PULL, NONE)


def test_an_example_that_is_twice_in_the_data_makes_no_epoch(seen, images) -> None:
    images[0][1] = images[0][0]
    images[0][3:] = images[0][:3]
    facts = training_of(seen(steps(size=3)), NO_PULL, NONE)
    assert (facts.batch_size, facts.batches, facts.epochs) == (3, 2, 1)


def test_epochs_that_leave_a_batch_out_are_counted(seen) -> None:
    def dropping(network, inputs, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for order in (torch.arange(4), torch.arange(4).flip(0)):
            for chosen in order.split(2):
                optimizer.zero_grad()
                functional.cross_entropy(network(inputs[chosen]), labels[chosen]).backward()
                optimizer.step()

    facts = training_of(seen(dropping), NO_PULL, NONE)
    assert (facts.batch_size, facts.batches, facts.epochs) == (2, 2, 2)


def test_batches_of_any_size_are_not_known_to_a_server(seen) -> None:
    def train(network, inputs, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for chosen in torch.arange(6).split([1, 3, 2]):
            optimizer.zero_grad()
            functional.cross_entropy(network(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()

    with pytest.raises(Unclear, match=r"sizes that no server knows in advance: 1, 3, 2"):
        training_of(seen(train), NO_PULL, NONE)


@pytest.mark.parametrize("option", ["amsgrad", "maximize"])
def test_a_variant_of_an_optimizer_is_not_taken_for_the_usual_one(seen, option: str) -> None:
    train = steps(lambda values: torch.optim.Adam(values, lr=0.01, **{option: True}))
    with pytest.raises(Unclear, match=f"the optimizer has '{option}', which no attack knows here"):
        training_of(seen(train), NO_PULL, NONE)


def test_several_calls_in_a_step_are_no_epochs(seen) -> None:
    """Views of the same image, or batches that are not averaged: the replay sums what an attacker would average."""

    def views(network, inputs, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for view in (inputs, inputs.flip(3)):
            functional.cross_entropy(network(view), labels).backward()
        optimizer.step()

    with pytest.raises(Unclear, match="steps add batches up"):
        training_of(seen(views), NO_PULL, NONE)
