"""Knowledge: facts become those of a task, and what an attack would have to know is said."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.transforms import Normalize

from fedleak.audit.answers import Answers, Normalized
from fedleak.audit.knowledge import Compared, loss_of, truth_of
from fedleak.audit.local_training import training_of
from fedleak.audit.replay import NO_PULL
from fedleak.audit.troubles import Unclear
from fedleak.audit.understanding import understood

NONE = Answers()


def steps(optimizer=lambda values: torch.optim.SGD(values, lr=0.1), loss=functional.cross_entropy, epochs=1, size=2,
          change=lambda x: x):  # fmt: skip
    def train(network, inputs, labels):
        own = optimizer(network.parameters())
        for _ in range(epochs):
            for chosen in torch.randperm(len(labels)).split(size):
                own.zero_grad()
                loss(network(change(inputs[chosen])), labels[chosen]).backward()
                own.step()

    return train


def test_examples_come_out_once_each_and_as_they_were_before_they_were_normalized(seen, images) -> None:
    normalize = Normalize((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    truth = truth_of(seen(steps(epochs=3, change=normalize)), NONE)
    assert len(truth) == 6
    for image, label in zip(truth.inputs, truth.labels, strict=True):
        apart = (images[0] - image).abs().flatten(1).amax(1)
        assert apart.min() < 1e-5
        assert images[1][apart.argmin()] == label


def test_values_out_of_range_are_asked_about_and_believed(seen, images) -> None:
    update = seen(steps(change=lambda inputs: 4 * inputs - 2))
    with pytest.raises(Unclear, match=r"no Normalize of torchvision was seen"):
        truth_of(update, NONE)
    truth = truth_of(update, Answers(normalize=Normalized(mean=(0.5,), std=(0.25,))))
    apart = (images[0][:, None] - truth.inputs).abs().flatten(2).amax(2).amin(1)
    assert apart.max() < 1e-5


def test_losses_have_the_names_of_a_task(seen) -> None:
    smooth = nn.CrossEntropyLoss(label_smoothing=0.1)
    assert loss_of(seen(steps(loss=smooth)).training, NONE) == ("cross-entropy", {"label_smoothing": 0.1})
    likelihood = steps(loss=lambda s, y: functional.nll_loss(functional.log_softmax(s, 1), y))
    assert loss_of(seen(likelihood).training, NONE) == ("cross-entropy", {})
    with pytest.raises(Unclear, match="mean squared error is out of scope"):
        loss_of(seen(steps(loss=lambda s, y: functional.mse_loss(s, functional.one_hot(y, 5).float()))).training, NONE)
    sums = nn.CrossEntropyLoss(reduction="sum", weight=torch.arange(1.0, 6.0))
    with pytest.raises(Unclear, match="no mean over a batch"):
        loss_of(seen(steps(loss=sums)).training, NONE)
    both = steps(loss=lambda s, y: functional.cross_entropy(s, y) + functional.cross_entropy(s, y, label_smoothing=0.1))
    with pytest.raises(Unclear, match="several losses were added up"):
        loss_of(seen(both).training, NONE)


def test_augmented_examples_are_those_of_the_first_epoch(seen, images) -> None:
    update = seen(steps(epochs=3, change=lambda inputs: (inputs + 0.01 * torch.rand(())).clamp(0, 1)))
    assert len(truth_of(update, NONE)) == 6
    facts = training_of(update, NO_PULL, NONE)
    assert (facts.batch_size, facts.batches, facts.epochs) == (2, 3, 3)


def test_a_number_that_is_not_that_of_the_examples_hides_none(seen) -> None:
    """Some report how many batches they had: none of the images is left out for it, and no epoch made up."""
    update = replace(seen(steps()), reported={"num-examples": 3.0})
    assert len(truth_of(update, NONE)) == 6
    facts = training_of(update, NO_PULL, NONE)
    assert (facts.batch_size, facts.batches, facts.epochs) == (2, 3, 1)


def test_of_several_normalizations_none_is_guessed(seen) -> None:
    other = Normalize((0.1,) * 3, (0.9,) * 3)

    def change(inputs):
        other(inputs)
        return Normalize((0.5,) * 3, (0.5,) * 3)(inputs)

    update = seen(steps(change=change))
    with pytest.raises(Unclear, match=r"several Normalize of torchvision were called"):
        truth_of(update, NONE)
    assert len(truth_of(update, Answers(normalize=Normalized(mean=(0.5,), std=(0.5,))))) == 6


def test_a_loss_that_changes_is_not_taken_for_its_first_form(seen) -> None:
    weights = iter(torch.rand(3, 5) + 1)
    turning = steps(loss=lambda s, y: functional.cross_entropy(s, y, weight=next(weights)))
    with pytest.raises(Unclear, match="with options that change"):
        loss_of(seen(turning).training, NONE)


def test_what_is_made_of_a_client_s_data_is_told_from_what_is_of_the_app(seen) -> None:
    def of(weights, mean, scale=1.0):
        loss = nn.CrossEntropyLoss(weight=torch.tensor(weights))
        scaled = steps(loss=lambda s, y: scale * loss(s, y), change=Normalize((mean,) * 3, (0.3,) * 3))
        return seen(scaled)

    usual = [1.0, 2, 3, 4, 5]
    said = Answers(normalize=Normalized(mean=(0.5,), std=(0.3,)))
    for other, words, answers in (
        (of(usual, 0.5), "", NONE),
        (of([1.0, 2, 3, 4, 6], 0.5), "weights of classes differ", NONE),
        (of(usual, 0.4), "normalization differ", NONE),
        (of(usual, 0.4), "", said),
        (of(usual, 0.5, scale=0.7), "scales of the loss differ", NONE),
    ):
        compared = Compared(answers)
        for update in (of(usual, 0.5), other):
            compared.add(update, understood(update))
        with pytest.raises(Unclear, match=words) if words else nullcontext():
            compared.require(other, understood(other))


def test_what_stays_with_clients_is_the_app_s_where_it_began_the_same(seen) -> None:
    def head(seed, client=0):
        torch.manual_seed(seed)
        update = seen(steps(), nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Linear(8, 5)))
        sent = {name: value for name, value in update.sent.items() if name.startswith("2.")}
        return replace(update, sent=sent, received={name: update.received[name] for name in sent}, client=client)

    def required(answers, *updates):
        compared = Compared(answers)
        for update in updates:
            compared.add(update, understood(update))
        compared.require(updates[0], understood(updates[0]))

    same, other = head(1), head(2, client=1)
    assert understood(same).verdict == "understood"
    required(NONE, same, replace(same, client=1), replace(other, round=2))
    with pytest.raises(Unclear, match="differs from client to client"):
        required(NONE, same, other)
    with pytest.raises(Unclear, match=r"'1.bias' of the network is not in the message \(2 such arrays\).*say kept"):
        required(NONE, same)
    required(Answers(kept="known"), same, other)
    with pytest.raises(Unclear, match="as you say"):
        required(Answers(kept="private"), same, replace(same, client=1))


def test_a_batch_may_be_given_by_its_name(seen) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(192, 5)

        def forward(self, pixels, scale=1.0):
            return self.layer(pixels.flatten(1)) * scale

    def train(network, inputs, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        functional.cross_entropy(network(pixels=inputs), labels).backward()
        optimizer.step()

    assert len(truth_of(seen(train, Named()), NONE)) == 6

    def scaled(network, inputs, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        functional.cross_entropy(network(inputs, scale=2.0), labels).backward()
        optimizer.step()

    with pytest.raises(Unclear, match="not called on one batch of images"):
        truth_of(seen(scaled, Named()), NONE)
