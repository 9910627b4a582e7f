"""Replay: whatever torch's optimizers and losses do is done again to the last bit, and what was not seen is said."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from fedleak.audit.replay import TOLERANCE, difference, matched, replayed
from fedleak.audit.troubles import Unclear
from fedleak.audit.understanding import understood


def steps(make, loss=functional.cross_entropy, epochs=2, size=2, clip=0.0, accumulate=1, schedule=None, mode=True):
    """A training loop as in any tutorial."""

    def train(network, inputs, labels):
        network.train(mode)
        optimizer = make(network.parameters())
        scheduler = schedule(optimizer) if schedule else None
        for _ in range(epochs):
            order = torch.randperm(len(labels))
            for place, chosen in enumerate(order.split(size), 1):
                loss(network(inputs[chosen]), labels[chosen]).backward()
                if place % accumulate:
                    continue
                if clip:
                    nn.utils.clip_grad_norm_(network.parameters(), clip)
                optimizer.step()
                optimizer.zero_grad()
                if scheduler:
                    scheduler.step()

    return train


def sgd(**options):
    return lambda values: torch.optim.SGD(values, lr=0.1, **options)


TRAININGS = {
    "SGD": steps(sgd()),
    "momentum and decay": steps(sgd(momentum=0.9, weight_decay=0.01, nesterov=True)),
    "Adam": steps(lambda values: torch.optim.Adam(values, lr=0.01)),
    "AdamW": steps(lambda values: torch.optim.AdamW(values, lr=0.01, betas=(0.8, 0.9))),
    "RMSprop": steps(lambda values: torch.optim.RMSprop(values, lr=0.01)),
    "eval mode": steps(sgd(), mode=False),
    "clipping": steps(sgd(), clip=0.5),
    "clipping that is rarely met": steps(sgd(), clip=3.0),
    "accumulation": steps(sgd(), accumulate=3),
    "a schedule": steps(sgd(), schedule=lambda one: torch.optim.lr_scheduler.ExponentialLR(one, 0.5)),
    "a module as loss": steps(sgd(), loss=nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.arange(1.0, 6.0))),
    "log-softmax and likelihood": steps(sgd(), loss=lambda s, y: functional.nll_loss(functional.log_softmax(s, 1), y)),
    "squared error": steps(sgd(), loss=lambda s, y: functional.mse_loss(s, functional.one_hot(y, 5).float())),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_what_was_seen_makes_the_reply(seen, name: str) -> None:
    known = understood(seen(TRAININGS[name]))
    assert known.verdict == "understood", known.reasons
    assert known.started_apart == 0.0
    assert known.replay_apart <= TOLERANCE


def in_half_precision(network, inputs, labels):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = functional.cross_entropy(network(inputs), labels)
    loss.backward()
    optimizer.step()


def compiled(network, inputs, labels):
    steps(sgd())(torch.compile(network, backend="eager"), inputs, labels)


@pytest.mark.filterwarnings("ignore:Using `torch.compile")
@pytest.mark.parametrize("train", [in_half_precision, compiled])
def test_what_stands_around_a_network_is_seen_through(seen, train) -> None:
    known = understood(seen(train))
    assert known.verdict == "understood", known.reasons
    assert known.replay_apart <= TOLERANCE


def by_hand(network, inputs, labels):
    functional.cross_entropy(network(inputs), labels).backward()
    with torch.no_grad():
        for value in network.parameters():
            value -= 0.1 * value.grad


def by_closure(network, inputs, labels):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(inputs), labels)
        loss.backward()
        return loss

    optimizer.step(closure)


def by_own_loss(network, inputs, labels):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    scores = network(inputs).log_softmax(1)
    (-scores[torch.arange(len(labels)), labels].mean()).backward()
    optimizer.step()


def with_a_penalty(network, inputs, labels):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    loss = functional.cross_entropy(network(inputs), labels)
    (loss + 0.01 * sum(value.abs().sum() for value in network.parameters())).backward()
    optimizer.step()


def nothing(network, inputs, labels):
    network(inputs)


UNSEEN = {
    "no optimizer of torch.optim was seen to step": by_hand,
    "was given a closure": by_closure,
    "something in it was not seen": with_a_penalty,
    "was seen to step: the weights were changed in another way": nothing,
}


@pytest.mark.parametrize("words", UNSEEN)
def test_what_was_not_seen_is_said_and_never_guessed(seen, words: str) -> None:
    known = understood(seen(UNSEEN[words]))
    assert known.verdict == "not understood"
    assert words in known.reasons[0]


def test_two_networks_are_one_too_many(seen) -> None:
    def both(network, inputs, labels):
        other = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
        values = [*network.parameters(), *other.parameters()]
        optimizer = torch.optim.SGD(values, lr=0.1)
        functional.cross_entropy(network(inputs) + other(inputs), labels).backward()
        optimizer.step()

    known = understood(seen(both))
    assert known.verdict == "not understood"
    assert "also network Sequential" in known.reasons[0]


def test_arrays_are_matched_by_name_by_a_wrapper_s_name_and_by_order() -> None:
    start = {"a.weight": torch.zeros(2, 3), "a.bias": torch.zeros(2)}
    assert matched(start, start).names == {"a.weight": "a.weight", "a.bias": "a.bias"}
    wrapped = {f"_module.{name}": value for name, value in start.items()}
    assert matched(wrapped, start).names["_module.a.bias"] == "a.bias"
    numbered = matched({"0": torch.zeros(2, 3), "1": torch.zeros(2)}, start)
    assert numbered.by_order
    assert numbered.names == {"0": "a.weight", "1": "a.bias"}
    with pytest.raises(Unclear, match=r"'1' on the wire has shape \(3,\), and 'a.bias' of the network \(2,\)"):
        matched({"0": torch.zeros(2, 3), "1": torch.zeros(3)}, start)
    with pytest.raises(Unclear, match="'b' is none of its names"):
        matched({"a.weight": torch.zeros(2, 3), "b": torch.zeros(2), "c": torch.zeros(2)}, start)


def test_what_is_no_number_is_as_far_away_as_can_be() -> None:
    assert difference({"a": torch.tensor([float("nan")])}, {"a": torch.tensor([0.0])}) == float("inf")


def test_a_replay_leaves_the_network_and_the_dice_alone(seen) -> None:
    update = seen(TRAININGS["SGD"])
    network = update.training.network
    before, dice = {n: v.clone() for n, v in network.state_dict().items()}, torch.get_rng_state()
    replayed(update.training, update.sent)
    assert difference(before, network.state_dict()) == 0.0
    assert torch.equal(dice, torch.get_rng_state())


def test_a_part_is_matched_by_its_names_or_by_its_kind_and_values() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 3)))
    start = network.state_dict()
    head = {"0.weight": start["2.0.weight"] + 1, "0.bias": start["2.0.bias"]}
    assert matched({"weight": head["0.weight"]}, {"2.weight": head["0.weight"]}).names == {"weight": "2.weight"}
    assert matched(head, {name: value for name, value in start.items() if name.startswith("2.")}).names == {
        "0.weight": "2.0.weight",
        "0.bias": "2.0.bias",
    }
    shared = [name for name in start if not name.startswith("1.")]
    numbered = {str(place): start[name] for place, name in enumerate(shared)}
    assert list(matched(numbered, start, network).names.values()) == shared
    other = {**numbered, "3": numbered["3"] + 1}
    with pytest.raises(Unclear, match="4 arrays and the network that was seen 9"):
        matched(other, start, network)
