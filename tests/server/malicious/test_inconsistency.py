"""Model inconsistency: a sum over all clients is the victim's update, in every entry that is trusted."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Crafting, ServerTerms, manipulations
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.randomness import generator, seeded
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import weights_of

COHORT, VICTIM = (0, 1, 2, 3), 2
FORMS = ("dead-layer", "gradient-suppression", "canary")
TRAINING = {"batch_size": 2, "batches": 2, "epochs": 2, "momentum": 0.5}
"""Dead is dead for as many steps as clients take."""


def a_task(*layers: nn.Module) -> Task:
    with seeded("inconsistency"):
        usual = (nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
        return Task("tiny", nn.Sequential(nn.Flatten(), *(layers or usual)), (1, 3, 4), 3)


def terms(task: Task, **settings: object) -> ServerTerms:
    return ServerTerms(federation=FederationSettings(clients=4, **settings), task=task)


def crafting(task: Task, client: int, cohort: tuple[int, ...] = COHORT) -> Crafting:
    settings = FederationSettings(clients=4)
    weights = weights_of(task.network)
    return Crafting(task=task, weights=weights, round=1, client=client, cohort=cohort, federation=settings)


def build(form: str, **options: object):
    return manipulations.build("inconsistency", {"form": form, "victim": VICTIM, **options})


def change(task, sent, client, **training):
    rng = generator("examples", client)
    examples = Batch(torch.rand(4, *task.shape, generator=rng), torch.randint(3, (4,), generator=rng))
    facts = FederationSettings(**{**TRAINING, **training}).training()
    after = client_round(task, sent, examples, facts, Chain(), ("test", client)).weights
    return {name: after.parameters[name] - value for name, value in sent.parameters.items()}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("form", FORMS)
def test_nobody_else_has_a_part_in_a_trusted_entry(form, optimizer):
    task, server = a_task(), build(form, units=3)
    how = {} if optimizer == "sgd" else {"optimizer": "adam", "momentum": 0.0}
    sent = {client: server.craft(crafting(task, client), generator(0)) for client in COHORT}
    changes = {client: change(task, sent[client], client, **how) for client in COHORT}
    isolation = server.isolation(task, sent)
    assert isolation.victim == VICTIM
    for name, trusted in isolation.trusted.items():
        rest = sum(changes[client][name] for client in COHORT if client != VICTIM)
        assert not (rest * trusted).any()
        assert set(trusted.flatten().tolist()) <= {0.0, 1.0}
    loud = {name for name, trusted in isolation.trusted.items() if not trusted.all()}
    assert loud == ({"5.bias"} if form != "canary" else set(isolation.trusted))


def test_a_canary_is_some_rows_of_the_first_layer_and_the_others_go_on_training():
    task, server = a_task(), build("canary", units=3)
    sent = {client: server.craft(crafting(task, client), generator(0)) for client in COHORT}
    trusted = server.isolation(task, sent).trusted
    assert trusted["1.weight"].sum() == 3 * 12
    assert trusted["1.bias"].sum() == 3
    assert not any(value.any() for name, value in trusted.items() if not name.startswith("1."))
    assert change(task, sent[0], 0)["1.weight"].any(1).sum() > 0


@pytest.mark.parametrize("form", FORMS)
def test_the_victim_is_sent_what_an_honest_server_sends_and_nothing_given_is_changed(form):
    task, server = a_task(), build(form)
    at = crafting(task, VICTIM)
    kept = at.weights.clone()
    assert server.craft(at, generator(0)) is at.weights
    assert not server.crafts_for(VICTIM, at.cohort)
    assert server.crafts_for(0, at.cohort)
    assert not server.crafts_for(0, (0, 1))
    server.craft(replace(at, client=0), generator(0))
    assert all(torch.equal(value, kept.parameters[name]) for name, value in at.weights.parameters.items())


def test_without_the_victim_everybody_is_sent_the_model_and_nobody_is_isolated():
    task, server = a_task(), build("dead-layer")
    at = crafting(task, 0, (0, 1, 3))
    assert server.craft(at, generator(0)) is at.weights
    assert server.isolation(task, dict.fromkeys((0, 1, 3), at.weights)) is None


def test_an_honest_server_isolates_nobody_and_a_victim_alone_is_alone():
    task, server = a_task(), build("dead-layer")
    weights = weights_of(task.network)
    assert server.isolation(task, dict.fromkeys(COHORT, weights)) is None
    assert all(value.all() for value in server.isolation(task, {VICTIM: weights}).trusted.values())


def test_where_an_activation_is_not_zero_at_zero_the_last_layer_is_everybodys():
    task = a_task(nn.Linear(12, 8), nn.Sigmoid(), nn.Linear(8, 3))
    server = build("gradient-suppression")
    server.require(terms(task))
    sent = {client: server.craft(crafting(task, client), generator(0)) for client in COHORT}
    trusted = server.isolation(task, sent).trusted
    assert {name for name, value in trusted.items() if value.all()} == {"1.weight", "1.bias"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alive", [0.2, 0.5])
def test_what_units_left_alive_say_is_not_trusted(form, alive):
    task, inner = a_task(), {"use": "inconsistency", "form": form, "victim": VICTIM, "units": 5}
    server = manipulations.build("stealthy", {"manipulation": inner, "alive": alive})
    for seed in range(4):
        sent = {client: server.craft(crafting(task, client), generator(seed)) for client in COHORT}
        trusted = server.isolation(task, sent).trusted
        assert any(value.any() for value in trusted.values())
        for label in range(3):
            wild = 20 * torch.randn(64, *task.shape, generator=generator("wild", seed))
            gradient = task.gradients(sent[0], wild, torch.full((64,), label))
            assert not any((value * trusted[name]).any() for name, value in gradient.items())


def test_it_is_refused_where_it_cannot_work():
    with pytest.raises(ConfigError, match="client 4, and there are 4, counted from 0"):
        build("dead-layer", victim=4).require(terms(a_task()))
    with pytest.raises(ConfigError, match=r"weight_decay of 0\.01"):
        build("dead-layer").require(terms(a_task(), weight_decay=0.01))
    smooth = a_task(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3))
    for form in ("dead-layer", "canary"):
        with pytest.raises(ConfigError, match="no layer goes straight into one"):
            build(form).require(terms(smooth))
    build("gradient-suppression").require(terms(smooth, weight_decay=0.01))
    with pytest.raises(ConfigError, match="cannot silence the network of 'tiny'"):
        build("gradient-suppression").require(terms(a_task(nn.Linear(12, 3))))
