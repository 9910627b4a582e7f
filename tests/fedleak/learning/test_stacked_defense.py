"""Stacked defenses: each federation is what clients make that train under the defense itself."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.loss import CrossEntropy
from fedleak.learning.stacked_defense import StackedDefense
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.task import Task
from fedleak.learning.training import train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import Weights
from fedleak.randomness import generator

SHAPE = (1, 4, 4)
WHOLE = LocalTraining(batch_size=5, batches=None, epochs=3, learning_rate=0.3, momentum=0.9)
"""A batch is the whole share, so that there is no order in which a client could see it."""
MLP = (nn.Flatten(), nn.Linear(16, 6, bias=False), nn.ReLU(), nn.Linear(6, 3))
CONVNET = (nn.Conv2d(1, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))


def records() -> Batch:
    rng = generator("records")
    return Batch(torch.rand(40, *SHAPE, generator=rng), torch.randint(3, (40,), generator=rng))


def drawn(*layers: nn.Module, of: tuple[StackedDefense, ...] = (), **changed) -> StackedFederations:
    task = Task("tiny", nn.Sequential(*(layers or MLP)), SHAPE, 3)
    asked = {"federations": 3, "clients": 2, "examples": 10, "rounds": 2, **changed}
    return replace(StackedFederations.drawn(task, records(), WHOLE, **asked), defenses=of)


def alone(asked: StackedFederations, place: int, chain: Chain) -> dict[str, torch.Tensor]:
    """The same federation by the defenses that clients really train under, from where the stack began."""
    start = replace(asked, rounds=0).trained()
    weights = Weights({name: value[place] for name, value in start.items()}, {})
    rng, training = generator("no noise"), replace(asked.training, batches=1)
    for _ in range(asked.rounds):
        sent = []
        for own in asked.shares[place]:
            follow = lambda step: chain.gradient(step, rng)  # noqa: E731
            after = train_locally(asked.task, weights, asked.records[own], training, (), gradient=follow)
            delta = {name: value - weights.parameters[name] for name, value in after.parameters.items()}
            sent.append(chain.protect(Update(delta, UpdateKind.DELTA), rng).tensors)
        mean = {name: torch.stack([one[name] for one in sent]).mean(0) for name in weights.parameters}
        weights = Weights({name: value + mean[name] for name, value in weights.parameters.items()}, {})
    return weights.parameters


@pytest.mark.slow
@pytest.mark.parametrize("layers", [MLP, CONVNET], ids=["mlp", "convnet"])
@pytest.mark.parametrize(
    "tables",
    [
        ({"use": "dp-sgd", "max_norm": 0.2, "noise_multiplier": 0.0},),
        ({"use": "dp-sgd", "max_norm": 100.0, "noise_multiplier": 0.0},),
        ({"use": "clipping", "max_norm": 0.1},),
        ({"use": "dp-sgd", "max_norm": 0.2, "noise_multiplier": 0.0}, {"use": "clipping", "max_norm": 0.1}),
        ({"use": "local-dp", "max_norm": 0.1, "epsilon": float("inf"), "delta": 0.1},),
    ],
)
def test_each_is_what_clients_make_under_the_defense(layers, tables) -> None:
    chain = Chain.build(tables)
    asked = drawn(*layers, of=tuple(one.stacked for one in chain))
    stacked = asked.trained()
    plain = replace(asked, defenses=()).trained()
    for place in range(3):
        for name, value in alone(asked, place, chain).items():
            assert torch.allclose(stacked[name][place], value, atol=1e-5), name
    changes = tables[0]["max_norm"] < 100
    assert changes == any((value - plain[name]).abs().max() > 0.01 for name, value in stacked.items())


@pytest.mark.slow
@pytest.mark.parametrize(("use", "options"), [
    ("dp-sgd", {"max_norm": 0.5, "noise_multiplier": 20.0}),
    ("gaussian-noise", {"std": 3.0}),
    ("user-level-dp", {"max_norm": 0.5, "noise_multiplier": 20.0, "clients": 2}),
])  # fmt: skip
def test_noise_is_as_much_as_the_defense_adds_and_another_in_each_model(use, options) -> None:
    """In one round, beside which nothing else counts: the spread of a mean over clients."""
    defense = defenses.build(use, options)
    asked = replace(drawn(federations=200, clients=2, rounds=1), training=replace(WHOLE, momentum=0.0))
    asked = replace(asked, defenses=(defense.stacked,))
    noise = asked.trained()["1.weight"] - replace(asked, rounds=0).trained()["1.weight"]
    usual = defense.noise(replace(asked.training, batches=1)) / 2**0.5
    assert float(noise.std()) == pytest.approx(usual, rel=0.03)
    assert float(torch.corrcoef(torch.stack([noise[0].flatten(), noise[1].flatten()]))[0, 1]) < 0.4
    again = replace(asked, seed=1).trained()
    assert not torch.equal(again["1.weight"], asked.trained()["1.weight"])


@pytest.mark.slow
def test_class_weights_multiply_the_gradient_of_an_example() -> None:
    chain = Chain.build(({"use": "dp-sgd", "max_norm": 0.3, "noise_multiplier": 0.0},))
    for layers in (MLP, CONVNET):
        asked = drawn(*layers, of=(chain.defenses[0].stacked,), rounds=1)
        asked = replace(asked, task=replace(asked.task, criterion=CrossEntropy(class_weights=(0.1, 1.0, 3.0))))
        for name, value in alone(asked, 0, chain).items():
            assert torch.allclose(asked.trained()[name][0], value, atol=1e-5), name


def test_layers_that_are_called_twice_or_on_sequences_are_clipped_as_well() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.out = nn.Linear(16, 16), nn.Linear(4, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            hidden = self.inner(self.inner(inputs.flatten(1)).tanh())
            return self.out(hidden.view(-1, 4, 4)).mean(1)

    chain = Chain.build(({"use": "dp-sgd", "max_norm": 0.1, "noise_multiplier": 0.0},))
    asked = drawn(Twice(), of=(chain.defenses[0].stacked,), rounds=1)
    by_hand = replace(asked.training, batches=1, momentum=0.0, epochs=1)
    asked = replace(asked, training=by_hand)
    before = {name: value[0] for name, value in replace(asked, rounds=0).trained().items()}
    sums = {name: torch.zeros_like(value) for name, value in before.items()}
    for client in asked.shares[0]:
        for one in client.split(1):
            batch = asked.records[one]
            slopes = asked.task.gradients(Weights(before, {}), batch.inputs, batch.labels)
            norm = torch.cat([value.flatten() for value in slopes.values()]).norm()
            for name, value in slopes.items():
                sums[name] += value * min(1.0, 0.1 / float(norm)) / 10
    for name, value in asked.trained().items():
        assert torch.allclose(value[0], before[name] - 0.3 * sums[name], atol=1e-6), name


def test_under_another_defense_it_has_another_address_and_under_none_the_old() -> None:
    noisy = StackedDefense(example_norm=1.0, example_noise=1.0)
    others = [StackedDefense(), StackedDefense(example_norm=1.0), noisy, StackedDefense(update_noise=1.0)]
    addresses = [drawn().address, *(drawn(of=(one,)).address for one in others)]
    assert len(set(addresses)) == 5
