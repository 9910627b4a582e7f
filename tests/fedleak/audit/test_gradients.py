"""Gradients: what stands between a loss and a step is done again, and what nobody saw is never explained away."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, parametrizations

from fedleak.audit.replay import TOLERANCE
from fedleak.audit.understanding import understood


def smooth():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Sigmoid(), nn.Linear(8, 5))


def looped(body, optimizer=lambda values: torch.optim.SGD(values, lr=0.1, momentum=0.9)):
    """Three steps, each by `body(network, optimizer, images, labels)`."""

    def train(network, inputs, labels):
        own = optimizer(network.parameters())
        for chosen in torch.arange(6).split(2):
            body(network, own, inputs[chosen], labels[chosen])

    return train


def stepping(loss=functional.cross_entropy, between=lambda network: None, to_none=True):
    def body(network, optimizer, images, labels):
        optimizer.zero_grad(set_to_none=to_none)
        loss(network(images), labels).backward()
        between(network)
        optimizer.step()

    return looped(body)


def clipped(network):
    clip_grad_norm_(network.parameters(), 0.2)
    clip_grad_value_(network.parameters(), 0.05)


def with_a_scaler(network, inputs, labels):
    optimizer, scaler = torch.optim.SGD(network.parameters(), lr=0.1), torch.amp.GradScaler("cpu")
    for chosen in torch.arange(6).split(2):
        optimizer.zero_grad()
        scaler.scale(functional.cross_entropy(network(inputs[chosen]), labels[chosen]) / 2).backward()
        scaler.unscale_(optimizer)
        clip_grad_norm_(network.parameters(), 0.2)
        scaler.step(optimizer)
        scaler.update()


def in_a_thread(network, inputs, labels):
    thread = threading.Thread(target=stepping(), args=(network, inputs, labels))
    thread.start()
    thread.join()


def with_an_evaluation(network, optimizer, images, labels):
    """With gradients on, as one forgets to turn them off, and in train mode."""
    functional.cross_entropy(network(images.flip(0)), labels)
    optimizer.zero_grad()
    functional.cross_entropy(network(images), labels).backward()
    optimizer.step()
    network(images)


class Unused(nn.Module):
    """A head for each of two turns: the other one has a gradient of zeros, or none."""

    def __init__(self):
        super().__init__()
        self.heads, self.turn = nn.ModuleList([nn.Linear(192, 5), nn.Linear(192, 5)]), 0

    def forward(self, images):
        self.turn = 1 - self.turn
        return self.heads[self.turn](images.flatten(1))


def normed(kind):
    return lambda: nn.Sequential(nn.Flatten(), kind(nn.Linear(192, 8)), nn.ReLU(), kind(nn.Linear(8, 5)))


def batchnormed():
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192), nn.Linear(192, 5))


TRAININGS = {
    "clipped by norm and by value": (stepping(between=clipped), smooth),
    "a scaler": (with_a_scaler, smooth),
    "a thread": (in_a_thread, smooth),
    "an evaluation": (looped(with_an_evaluation), batchnormed),
    "spectral norm": (stepping(), normed(parametrizations.spectral_norm)),
    "weight norm": (stepping(), normed(parametrizations.weight_norm)),
    "two losses": (
        stepping(lambda s, y: functional.cross_entropy(s, y) + functional.mse_loss(s, s.detach() + 1) / 3),
        smooth,
    ),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_what_stands_between_loss_and_step_is_done_again(seen, name: str) -> None:
    train, network = TRAININGS[name]
    known = understood(seen(train, network()))
    assert known.verdict == "understood", known.reasons
    assert known.replay_apart <= TOLERANCE


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_of_zeros_are_told_from_none(seen, to_none: bool) -> None:
    """Momentum goes on under zeros, and stands still under none. The replay begins where its network was left."""
    network = Unused()
    update = seen(stepping(to_none=to_none), network)
    network.turn = 0
    known = understood(update)
    assert known.verdict == "understood", known.reasons


def own_loss(scores, labels):
    return -scores.log_softmax(1)[torch.arange(len(labels)), labels].mean()


def focal(scores, labels):
    loss = functional.cross_entropy(scores, labels, reduction="none")
    return ((1 - (-loss).exp()) ** 2 * loss).mean()


class Coded(nn.Module):
    """An autoencoder that gives several tensors by name."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Linear(192, 4), nn.Linear(4, 192)

    def forward(self, pixels):
        code = self.down(pixels.flatten(1))
        return {"code": code, "pixels": (self.up(code), None)}


def coded(network, optimizer, images, labels):
    optimizer.zero_grad()
    output = network(pixels=images)
    (functional.mse_loss(output["pixels"][0], images.flatten(1)) + output["code"].square().mean()).backward()
    optimizer.step()


@pytest.mark.parametrize(
    ("train", "network"), [(stepping(own_loss), smooth), (looped(coded), Coded)], ids=["by hand", "several tensors"]
)
def test_a_loss_of_the_app_s_own_is_not_named(seen, train, network) -> None:
    known = understood(seen(train, network()))
    assert (known.verdict, known.replay_apart) == ("understood but for the loss", 0.0)
    assert known.reasons


def test_a_loss_that_is_made_of_others_is_no_sum_of_them(seen) -> None:
    """What comes back to each example's loss differs from example to example, and is used as it was."""
    known = understood(seen(stepping(focal), smooth()))
    assert known.verdict == "understood"


def by_hand(change):
    def between(network):
        for value in network.parameters():
            value.grad = change(value)

    return stepping(between=between)


def at_once(network, inputs, labels):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    functional.cross_entropy(network(inputs), labels).backward()
    norm = torch.cat([value.grad.flatten() for value in network.parameters()]).norm()
    0.5 / (norm + 1e-6)  # as if it were clipped
    for value in network.parameters():
        value.grad *= 0.4
    optimizer.step()


def hooked(network, inputs, labels):
    network[1].weight.register_hook(lambda slope: slope * 1.001)
    stepping()(network, inputs, labels)


def afterwards(network, inputs, labels):
    stepping()(network, inputs, labels)
    with torch.no_grad():
        network[1].weight[0, 0] += 1e-5


def pulled(term):
    def train(network, inputs, labels):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        start = [value.detach().clone() for value in network.parameters()]
        for chosen in torch.arange(6).repeat(2).split(2):
            optimizer.zero_grad()
            more = term(list(network.parameters()), start, inputs)
            (functional.cross_entropy(network(inputs[chosen]), labels[chosen]) + more).backward()
            optimizer.step()

    return train


def proximal(values, start):
    return sum((value - first).square().sum() for value, first in zip(values, start, strict=True))


SECRETS = {
    "a smaller gradient": at_once,
    "noise in gradients": by_hand(lambda value: value.grad + 1e-6 * torch.randn_like(value)),
    "signs": by_hand(lambda value: value.grad.sign()),
    "a gradient left out": by_hand(lambda value: None if value.dim() == 1 else value.grad),
    "a hook of a parameter": hooked,
    "one weight afterwards": afterwards,
    "a penalty on one layer": pulled(lambda values, start, _: 0.1 * values[0].square().sum()),
    "a pull and a secret": pulled(lambda values, start, _: 0.1 * proximal(values, start) + 1e-4 * values[0][0, 0]),
    "a pull by data": pulled(lambda values, start, images: images.mean() * proximal(values[:2], start[:2])),
    "a pull of any kind": pulled(lambda values, start, _: sum((a - b).abs().sum() for a, b in zip(values, start))),  # noqa: B905
}


@pytest.mark.parametrize("name", SECRETS)
def test_what_was_done_in_secret_is_not_understood(seen, name: str) -> None:
    assert understood(seen(SECRETS[name], smooth())).verdict == "not understood"


@pytest.mark.parametrize("strength", [1.0, 0.1, 0.001])
def test_the_pull_of_a_proximal_term_is_found_by_its_number(seen, strength: float) -> None:
    known = understood(seen(pulled(lambda values, start, _: strength / 2 * proximal(values, start)), smooth()))
    assert known.verdict == "understood"
    assert (known.pull.strength, known.pull.proximal) == (pytest.approx(strength, rel=1e-4), True)
