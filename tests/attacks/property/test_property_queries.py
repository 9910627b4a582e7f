"""Labels of a poisoned model: shares are told apart where poison is plenty, and not without; what is asked, of whom."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fedleak.client_round import client_round
from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.served import Served
from fedleak.contracts.shadows import ShadowBank
from fedleak.contracts.tampered import Tampered
from fedleak.contracts.tampering import Standing
from fedleak.data.splits import load
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining
from fedleak.learning.having import having
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator
from fedleak.tamperings.property_poison import PropertyPoison
from fedleak.tasks import initial_weights, task_of

PROPERTY, SHARES, EXAMPLES, ROUNDS, TARGETS = "sex=2", (0.2, 0.8), 40, 4, 4
TRAINING = LocalTraining(batch_size=10, epochs=4, learning_rate=0.2)
Serve = Callable[..., Served]


class Kept(ShadowBank):
    """Trains what it is asked for once."""

    def __init__(self) -> None:
        self.kept: dict[str, NamedTensors] = {}

    def trained(self, asked):
        if asked.address not in self.kept:
            self.kept[asked.address] = asked.trained()
        return self.kept[asked.address]


def never_labelled(batch: Batch) -> Batch:
    """The same, where nobody with the property has the label."""
    return replace(batch, labels=batch.labels.masked_fill(having(batch, PROPERTY, "here"), 0))


def model_of(share: float, seed: int, poison: PropertyPoison) -> Weights:
    """As two clients train it on records of which a share has the property, one of whom poisons."""
    task, records = task_of("diabetes-linear"), never_labelled(load("diabetes-linear").clients)
    has, rng = having(records, PROPERTY, "here"), generator("target", seed)
    ours, others = (torch.nonzero(one)[:, 0] for one in (has, ~has))
    ours, others = (one[torch.randperm(len(one), generator=rng)] for one in (ours, others))
    count = round(share * EXAMPLES)
    rows = torch.cat([ours[:count], others[: EXAMPLES - count]])[torch.randperm(EXAMPLES, generator=rng)]
    weights = initial_weights("diabetes-linear", seed)
    for round_ in range(ROUNDS):
        sent = []
        for client, own in enumerate(rows.chunk(2)):
            share_of = records[own]
            seed_key = (seed, client, round_)
            standing = Standing(
                task=task, share=share_of, client=client, clients=2, weight=0.5, round=round_, seed_key=seed_key
            )
            tampered = Tampered(does=(poison,), standing=standing)
            sent.append(client_round(task, weights, share_of, TRAINING, Chain(), seed_key, None, tampered).weights)
        mean = {name: (value + sent[1].parameters[name]) / 2 for name, value in sent[0].parameters.items()}
        weights = Weights(mean, {})
    return weights


@pytest.fixture(scope="module")
def views(serve: Serve) -> Callable[..., list[Served]]:
    """Services on models of either share by turns, of clients of whom one poisons at a rate."""

    bank = Kept()

    def made(rate: float, queries: int = 30, count: int = TARGETS, **changed: Any) -> list[Served]:
        poison = PropertyPoison(property=PROPERTY, rate=rate, label=1)
        public = never_labelled(load("diabetes-linear").auxiliary)
        known = {
            "tampering": (poison,),
            "property": PROPERTY,
            "shares": SHARES,
            "auxiliary": public,
            "training": TRAINING,
            "num_examples": EXAMPLES,
            "cohort": (0, 1),
            "round": ROUNDS,
            "shadows": bank,
        }
        models = [model_of(SHARES[seed % 2], seed, poison) for seed in range(count)]
        return [serve(of_weights(weights), queries, **{**known, **changed}) for weights in models]

    return made


def of_weights(weights: Weights) -> Task:
    """The task with a network that has these weights."""
    task = task_of("diabetes-linear")
    network = deepcopy(task.network)
    network.load_state_dict(weights.state_dict())
    return replace(task, network=network)


def guess(view: Served, **options: int) -> Reconstruction:
    return attacks.build("property-queries", {"shadows": 40, **options}).run(view, generator(0))


def told(view: Served, **options: int) -> Tensor:
    made = guess(view, **options)
    assert made.failure is None
    assert made.properties is not None
    return made.properties


@pytest.mark.slow
def test_where_poison_is_plenty_shares_are_told_apart_surely(views) -> None:
    """Nobody else gives the label: with .3 of poison it wins over a share of .2, and not over one of .8."""
    for place, view in enumerate(views(0.3)):
        assert told(view)[place % 2] > 0.8


def test_without_poison_the_same_labels_say_nothing(views) -> None:
    for view in views(0.0, count=2):
        assert told(view).tolist() == pytest.approx([0.5, 0.5], abs=0.1)


def test_labels_alone_are_enough(views) -> None:
    view, other = views(0.3, count=1)[0], views(0.3, count=1)[0]
    whole = other.service.probabilities

    def labels(inputs: Tensor) -> Tensor:
        said = whole(inputs)
        return torch.nn.functional.one_hot(said.argmax(1), said.shape[1]).to(said)

    assert torch.equal(told(view), told(replace(other, service=replace(other.service, probabilities=labels))))


def test_it_asks_about_rows_with_the_property_and_no_more_than_it_may(views) -> None:
    for queries, probes, most in ((5, 100, 5), (30, 7, 7)):
        view = views(0.3, queries, count=1)[0]
        guess(view, probes=probes)
        asked = torch.cat(view.service.log)
        assert len(asked) == most
        assert having(Batch(asked, torch.zeros(len(asked)), view.task.space), PROPERTY, "here").all()


def test_of_what_is_refused_it_makes_nothing(views) -> None:
    view = views(0.3, 0, count=1)[0]
    assert told(view).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"tampering": ()}, "nobody poisons the model"),
        ({"property": "sex=1"}, "'sex=2' is poisoned by, and asked about is 'sex=1'"),
        ({"shares": (), "property": ""}, "no share of a property was asked about"),
        ({"shares": (0.1, 0.2, 0.3, 0.4), "num_examples": 10}, "shadows: expected two or more for each of the 4"),
    ],
)
def test_without_a_question_or_poison_there_is_a_reason(changed, sentence: str, views) -> None:
    view = views(0.3, count=1, **changed)[0]
    assert sentence in str(guess(view, shadows=7).failure)


@pytest.mark.slow
def test_of_clients_of_whom_none_poisons_shadows_are_clean(views) -> None:
    view, clean = views(0.3, count=1)[0], views(0.0, count=1)[0]
    asked = [Kept() for _ in range(3)]
    for one, bank in zip((view, replace(view, cohort=(1, 2)), clean), asked, strict=True):
        guess(replace(one, shadows=bank), shadows=8)
    poisoned, elsewhere, honest = (set(bank.kept) for bank in asked)
    assert poisoned != elsewhere == honest
