"""Passive labels: better than own columns where the network knows labels, one seat, and refusals in a sentence."""

from dataclasses import replace

import pytest
import torch

from fedleak.attacks.split.passive_labels import PassiveLabels
from fedleak.errors import ConfigError
from fedleak.experiment.experiment import parse_experiment
from fedleak.goals.own_columns import labels_by_own_columns
from fedleak.randomness import generator

EXPERIMENT = {
    "name": "passive",
    "task": "digits-mlp",
    "federation": {"partition": "columns", "clients": 2, "cut": 3},
    "attacks": [{"use": "passive-labels"}],
}


def accuracy(view, challenge) -> float:
    made = PassiveLabels().run(view, generator("passive"))
    assert made.failure is None
    assert made.columns is not None
    assert torch.allclose(((made.columns + 1) / 2).sum(1), torch.ones(len(made.columns)), atol=1e-5)
    return (made.columns.argmax(1) == challenge.candidates.labels).double().mean().item()


@pytest.mark.slow
def test_labels_are_found_by_the_network_that_training_left(halves):
    view, challenge = halves(1, "labels", known_labels=40, auxiliary=0)
    assert accuracy(view, challenge) >= 0.6
    nothing = {name: torch.zeros_like(value) for name, value in view.weights.items()}
    assert accuracy(replace(view, weights=nothing), challenge) < 0.3  # it is this network that is asked


@pytest.mark.slow
def test_a_network_that_learnt_all_labels_tells_more_than_own_columns(halves):
    """What training left is made certain here: the bottom is fitted to the true labels of every row."""
    view, challenge = halves(1, "labels", known_labels=20, auxiliary=0)
    labels = torch.full((len(view.own),), -1)
    labels[view.asked], labels[view.known] = challenge.candidates.labels, view.known_labels
    rows, truth = view.own[labels >= 0].flatten(1), labels[labels >= 0]
    weights = {name: value.clone().requires_grad_() for name, value in view.weights.items()}
    weight, bias = (weights[f"bottoms.1.1.{name}"] for name in ("weight", "bias"))
    head = torch.zeros(10, len(bias), requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias, head], lr=1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        scores = torch.nn.functional.linear(rows, weight, bias).relu() @ head.T
        torch.nn.functional.cross_entropy(scores, truth).backward()
        optimizer.step()
    learnt = replace(view, weights={name: value.detach() for name, value in weights.items()})
    own = labels_by_own_columns(view)
    by_columns = (own.argmax(1) == challenge.candidates.labels).double().mean().item()
    assert accuracy(learnt, challenge) > by_columns + 0.05


@pytest.mark.slow
def test_public_rows_are_learnt_from_as_well(halves):
    view, challenge = halves(1, "labels", known_labels=0, auxiliary=40)
    assert accuracy(view, challenge) >= 0.5


def test_whoever_knows_no_label_is_told(halves):
    view, _ = halves(1, "labels", known_labels=0, auxiliary=0)
    made = PassiveLabels().run(view, generator("passive"))
    assert made.failure == (
        "it knows no label of any row to learn from; set adversary.known_labels or adversary.auxiliary"
    )
    with pytest.raises(ConfigError, match=r"attacks\.0: passive-labels learns from rows whose labels"):
        parse_experiment({**EXPERIMENT, "adversary": {"auxiliary": 0}})
    parse_experiment({**EXPERIMENT, "adversary": {"auxiliary": 0, "known_labels": 10}})


def test_the_active_party_and_the_relay_are_no_place_for_it():
    assert PassiveLabels().seats == {"passive"}
