"""Hooks along a tampered client's round: penalties are differentiated, defenses come last, nothing changes nothing."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Generator, Tensor

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.tampered import Tampered, built, sent_parameters
from fedleak.contracts.tampering import Standing, Tampering
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
BEFORE = initial_weights("digits-mlp", 0)
EXAMPLES = Batch(torch.rand(8, *TASK.shape, generator=generator("images")), torch.arange(8))
TRAINING = LocalTraining(batch_size=8, learning_rate=0.5)
STANDING = Standing(task=TASK, share=EXAMPLES, sent=sent_parameters(TASK, Chain()), seed_key=(1,))


@dataclass(frozen=True, kw_only=True)
class Nothing(Tampering):
    """Does nothing."""

    by: ClassVar = "trainer"
    leaves: ClassVar = "inputs"
    deed: ClassVar = "does nothing"


@dataclass(frozen=True, kw_only=True)
class Decay(Nothing):
    """Pulls all weights to zero."""

    strength: float = 0.1

    def penalty(self, standing: Standing, parameters: NamedTensors) -> Tensor:
        return self.strength / 2 * torch.stack([(value**2).sum() for value in parameters.values()]).sum()


@dataclass(frozen=True, kw_only=True)
class Doubled(Nothing):
    """Sends an update of twice the length."""

    def finish(self, standing: Standing, before: Weights, after: Weights) -> Weights:
        parameters = {name: 2 * after.parameters[name] - value for name, value in before.parameters.items()}
        return Weights(parameters, after.buffers)


@dataclass(frozen=True, kw_only=True)
class Dark(Nothing):
    """Trains on black images."""

    def examples(self, standing: Standing, examples: Batch, rng: Generator) -> Batch:
        return Batch(torch.zeros_like(examples.inputs), examples.labels)


def sent(*does: Tampering, chain: Chain | None = None, examples: Batch = EXAMPLES) -> Weights:
    tampered = Tampered(does=does, standing=STANDING)
    return client_round(TASK, BEFORE, examples, TRAINING, chain or Chain(), (1,), None, tampered).weights


def change(weights: Weights) -> Tensor:
    return torch.cat([(weights.parameters[name] - value).flatten() for name, value in BEFORE.parameters.items()])


def test_what_is_not_overridden_changes_nothing() -> None:
    plain = client_round(TASK, BEFORE, EXAMPLES, TRAINING, Chain(), (1,)).weights
    assert torch.equal(change(sent(Nothing())), change(plain))


def test_a_penalty_is_part_of_the_loss_of_each_step() -> None:
    """That of half the squared length is what weight decay does."""
    decayed = LocalTraining(batch_size=8, learning_rate=0.5, weight_decay=0.1)
    expected = client_round(TASK, BEFORE, EXAMPLES, decayed, Chain(), (1,)).weights
    torch.testing.assert_close(change(sent(Decay())), change(expected))


def test_defenses_act_on_the_tampered_update() -> None:
    clipping = Chain((defenses.build("clipping", {"max_norm": 0.01}),))
    assert float(change(sent(Doubled())).norm()) == pytest.approx(2 * float(change(sent()).norm()), rel=1e-4)
    assert float(change(sent(Doubled(), chain=clipping)).norm()) == pytest.approx(0.01, rel=1e-3)


def test_other_examples_are_trained_on() -> None:
    black = Batch(torch.zeros_like(EXAMPLES.inputs), EXAMPLES.labels)
    assert torch.equal(change(sent(Dark())), change(sent(examples=black)))


def test_what_a_client_keeps_is_not_sent() -> None:
    chain = Chain((defenses.build("withhold", {"layers": list(BEFORE.parameters)[-2:]}),))
    assert sent_parameters(TASK, Chain()) == tuple(BEFORE.parameters)
    assert sent_parameters(TASK, chain) == tuple(BEFORE.parameters)[:-2]


def test_a_tampering_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"adversary\.does\.0\.use: no tampering is called 'lsb'"):
        built(({"use": "lsb"},))
