"""PATE: how much one client can change, the epsilon of the labels, and what it refuses."""

import itertools
import math
from typing import Any

import pytest
import torch
from dp_accounting import GaussianDpEvent, NeighboringRelation, SelfComposedDpEvent
from dp_accounting.rdp import RdpAccountant

from fedleak.accounting.guarantee import Guarantee, Unproven
from fedleak.accounting.mechanism import Vantage
from fedleak.contracts.chain import Chain
from fedleak.data.splits import load
from fedleak.defenses.pate import PATE
from fedleak.errors import ConfigError
from fedleak.experiment.experiment import parse_experiment
from fedleak.randomness import generator
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import PlanSettings
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")


def proven(view: Vantage | None = None, noise: float = 4.0, queries: int = 60, **federation: Any) -> Guarantee:
    tree = {"task": "digits-mlp", "federation": {"clients": 8, "rounds": 20, **federation}, "utility": {"rounds": 5}}
    run = parse_settings(PlanSettings, tree)
    chain = Chain.build(({"use": "pate", "std": noise, "queries": queries},)).planned(run.phases)
    found = chain.guarantee(run.phases, chain.task(TASK), view=view)
    assert isinstance(found, Guarantee), found
    return found


def test_another_client_moves_the_votes_on_an_example_by_as_much_as_is_said() -> None:
    """All pairs of votes of one client, brute force."""
    votes = torch.eye(TASK.classes)
    farthest = max(float((one - other).norm()) for one, other in itertools.combinations(votes, 2))
    mechanism = proven().mechanism
    assert mechanism.sensitivity == pytest.approx(farthest)
    assert mechanism.contribution == pytest.approx(float(votes[0].norm()))


@pytest.mark.parametrize(("noise", "queries"), [(1.0, 1), (4.0, 60), (40.0, 300)])
def test_epsilon_is_that_of_dp_accounting_and_below_its_bound_by_renyi_divergence(noise: float, queries: int) -> None:
    """Of GNMax the divergence of order a is `a / noise²` a query (proposition 8 of the paper): sensitivity sqrt(2)."""
    found, delta = proven(noise=noise, queries=queries), 1e-5
    event = SelfComposedDpEvent(GaussianDpEvent(noise / math.sqrt(2)), queries)
    accountant = RdpAccountant(neighboring_relation=NeighboringRelation.REPLACE_ONE).compose(event)
    upper = accountant.get_epsilon(delta)
    assert 0.6 * upper < found.epsilon(delta) <= upper
    orders = torch.linspace(1.01, 500, 200_000, dtype=torch.float64)
    by_hand = (queries * orders / noise**2 - math.log(delta) / (orders - 1)).min()
    assert found.epsilon(delta) <= float(by_hand)


def test_the_votes_are_counted_once_however_many_rounds_there_are() -> None:
    assert proven(rounds=1) == proven(rounds=50)
    assert (proven().rounds, proven().later) == (1, None)


def test_what_is_stated_is_for_who_sees_the_model_and_the_server_sees_more() -> None:
    model, server = proven(), proven(view="message")
    assert model.terms(1e-5) == "replace-one client, no sampling credit, for who sees models alone"
    assert server.mechanism.noise == pytest.approx(model.mechanism.noise / math.sqrt(8))
    assert server.epsilon(1e-5) > model.epsilon(1e-5)
    defense = PATE(std=4.0, queries=60)
    told = dict(
        defense.disclosures(
            parse_settings(PlanSettings, {"task": "digits-mlp", "federation": {"clients": 8}}).federation
        )
    )
    assert f"epsilon {server.epsilon(1e-5):.3g} (replace-one client" in told["the server"]
    assert "server" in defense.caveat


def test_clients_that_may_leave_take_their_share_of_the_noise_along() -> None:
    assert proven(dropouts=0.25).mechanism.noise == pytest.approx(4.0 * math.sqrt(6 / 8))


def test_votes_without_noise_are_the_classes_and_the_sum_has_the_noise_that_was_asked_for() -> None:
    public, weights = load("digits-mlp").auxiliary.inputs[:200], initial_weights("digits-mlp", 0)
    plain = PATE(std=0.0, queries=200).votes(TASK, weights, public, 8, generator(0))
    assert torch.equal(plain.argmax(1), TASK.logits(weights, public, mode="eval").argmax(1))
    assert torch.equal(plain.sum(1), torch.ones(200))
    noisy = [PATE(std=3.0, queries=200).votes(TASK, weights, public, 8, generator(seed)) for seed in range(8)]
    left = torch.stack(noisy).sum(0) - 8 * plain
    assert float(left.std()) == pytest.approx(3.0, rel=0.05)


def test_without_noise_nothing_is_proved() -> None:
    run = parse_settings(PlanSettings, {"task": "digits-mlp"})
    chain = Chain.build(({"use": "pate", "std": 0.0, "queries": 10},))
    assert isinstance(chain.guarantee(run.phases, chain.task(TASK)), Unproven)


def experiment(**changes: Any) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "name": "x",
        "task": "digits-mlp",
        "federation": {"clients": 2, "release": "last"},
        "attacks": [{"use": "loss-threshold"}],
        "defenses": [{"name": "teachers", "chain": [{"use": "pate", "std": 1.0, "queries": 10}]}],
    }
    return {**tree, **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"federation": {"clients": 1, "release": "last"}}, "needs 2 clients or more, whose votes hide one another"),
        ({"federation": {"clients": 2, "release": "last", "strategy": "FedAdam"}}, "averages nothing"),
        ({"attacks": [{"use": "inverting-gradients"}]}, "clients send no updates, and inverting-gradients looks at"),
    ],
)
def test_what_cannot_be_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_experiment(experiment(**changes))


def test_teachers_share_no_layers_that_could_be_withheld() -> None:
    tables = ({"use": "withhold", "layers": ["1.*"]}, {"use": "pate", "std": 1.0, "queries": 10})
    with pytest.raises(ConfigError, match="under 'pate' they share no model"):
        Chain.build(tables).task(TASK)
