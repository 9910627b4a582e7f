"""Which share of everybody is of a class, off what a released generator draws."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.released import Released
from fedleak.contracts.shadows import ShadowBank
from fedleak.data.splits import load
from fedleak.learning.facts import LocalTraining
from fedleak.learning.federations_by_share import federations_by_share
from fedleak.learning.having import having
from fedleak.learning.weights import Weights
from fedleak.randomness import generator
from fedleak.settings.task import TaskSettings
from fedleak.tasks import task_of

TASK = TaskSettings(data="digits", network="generator", loss="likelihood")
SHARES, PROPERTY = (0.1, 0.9), "label=0"
TRAINING = LocalTraining(batch_size=8, epochs=10, learning_rate=0.1, momentum=0.9)


class Kept(ShadowBank):
    kept = None

    def trained(self, asked):
        Kept.kept = Kept.kept or asked.trained()
        return Kept.kept


@pytest.fixture(scope="module")
def views() -> list[Released]:
    task, splits = task_of(TASK), load("digits-mlp")
    asked, _ = federations_by_share(
        task,
        splits.clients,
        TRAINING,
        has=having(splits.clients, PROPERTY, "here"),
        shares=SHARES,
        federations=8,
        clients=1,
        examples=40,
        rounds=3,
    )
    stacked = asked.trained()
    known = {"training": TRAINING, "num_examples": 40, "round": 3, "auxiliary": splits.auxiliary, "shadows": Kept()}
    return [
        Released(
            task=task,
            weights=Weights({name: value[place] for name, value in stacked.items()}, {}),
            property=PROPERTY,
            shares=SHARES,
            **known,
        )
        for place in range(8)
    ]


def told(view: Released) -> torch.Tensor:
    guess = attacks.build("shadow-generator", {"shadows": 16, "samples": 200}).run(view, generator(0))
    assert guess.failure is None
    assert guess.properties is not None
    return guess.properties


@pytest.mark.slow
def test_shares_are_told_apart_by_what_is_drawn(views) -> None:
    assert [int(told(view).argmax()) for view in views] == [place % 2 for place in range(8)]


def test_the_order_of_hidden_neurons_says_nothing(views) -> None:
    view = views[0]
    known = dict(view.weights.parameters)
    order = torch.randperm(len(known["decoder.0.bias"]), generator=generator("order"))
    known["decoder.0.weight"] = known["decoder.0.weight"][order]
    known["decoder.0.bias"] = known["decoder.0.bias"][order]
    known["decoder.2.weight"] = known["decoder.2.weight"][:, order]
    torch.testing.assert_close(told(replace(view, weights=Weights(known, {}))), told(view), atol=1e-5, rtol=0)


def test_what_generates_nothing_is_refused(views) -> None:
    task = task_of("digits-mlp")
    view = replace(views[0], task=task, weights=Weights.of(task.network))
    assert "'digits-mlp' generates nothing" in str(
        attacks.build("shadow-generator", {}).run(view, generator(0)).failure
    )


def test_fewer_generators_of_its_own_than_shares_are_refused(views) -> None:
    made = attacks.build("shadow-generator", {"shadows": 1}).run(views[0], generator(0))
    assert str(made.failure).startswith("shadows: expected one or more for each of the 2 shares")
