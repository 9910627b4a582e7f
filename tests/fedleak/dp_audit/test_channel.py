import numpy as np
import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.dp_audit.canaries import Canaries
from fedleak.dp_audit.channel import CanaryFederation
from fedleak.dp_audit.normal_scores import estimated_mu
from fedleak.dp_audit.tape import Tape
from fedleak.errors import ConfigError
from fedleak.learning.weights import Weights
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import PlanSettings
from fedleak.tasks import hardened


def federation(*chain, clients=6, rounds=2, layout="whole", norm=10.0, count=None, **options):
    table = {"clients": clients, "rounds": rounds, **options.pop("settings", {})}
    plan = parse_settings(PlanSettings, {"task": "diabetes-mlp", "federation": table})
    built = Chain.build(chain).planned(plan.phases)
    task = hardened(plan.task, built)
    tensors = Weights.of(task.network).parameters
    return CanaryFederation(
        task=task,
        settings=plan.task,
        chain=built,
        federation=built.settings(plan.federation),
        canaries=Canaries.like(tensors, count=count or clients, norm=norm, seed=1, layout=layout),
        seed=2,
        **options,
    )


def test_messages_carry_the_clipped_canary():
    one, heard = federation({"use": "clipping", "max_norm": 0.5}), []
    one.messages(heard.append)
    assert sorted((one.round, *one.clients) for one in heard) == [(r, c) for r in (1, 2) for c in range(6)]
    for release in heard:
        wanted = 0.05 * one.canaries.contribution(*release.clients, release.round)
        assert torch.allclose(release.moved, wanted, atol=1e-6)


def test_a_sum_carries_all_canaries_and_others_next_to_nothing():
    one = federation({"use": "clipping", "max_norm": 0.5}, layout="apart", count=4)
    tape = Tape(canaries=one.canaries)
    one.sums(tape.hear_sum)
    assert tape.scores == pytest.approx(np.full(8, 0.5), abs=1e-5)


def test_a_sum_is_over_those_that_the_strategy_asked():
    settings = {"strategy_options": {"fraction_train": 0.5}}
    one, heard = federation(layout="apart", norm=1.0, settings=settings), []
    tape = Tape(canaries=one.canaries)
    one.sums(lambda release: (heard.append(release), tape.hear_sum(release)))
    assert [len(release.clients) for release in heard] == [3, 3]
    assert tape.scores == pytest.approx(np.ones(6), abs=1e-5)
    assert tape.who == [client for release in heard for client in release.clients]


def test_clients_weigh_as_many_examples_as_they_report():
    one = federation(layout="apart", rounds=1, norm=1.0, counts={0: 5})
    tape = Tape(canaries=one.canaries)
    one.sums(tape.hear_sum)
    assert tape.scores == pytest.approx(np.array([3.0, *[0.6] * 5]), abs=1e-5)


def test_messages_of_a_gaussian_mechanism_show_its_mu():
    one = federation({"use": "clipping", "max_norm": 0.5}, {"use": "gaussian-noise", "std": 0.5}, clients=20, rounds=25)
    tape = Tape(canaries=one.canaries, against=True)
    one.messages(tape.hear)
    found = estimated_mu(tape.scores, 0.999)
    assert found.low < 2.0 < found.high
    assert estimated_mu(tape.between_clients, 0.999).low < 2.0**0.5 < estimated_mu(tape.between_clients, 0.999).high
    assert estimated_mu(tape.between_rounds, 0.999).low < 2.0**0.5 < estimated_mu(tape.between_rounds, 0.999).high
    assert tape.noise() == pytest.approx(0.5, rel=0.03)


def test_the_same_draws_with_and_without_canaries_show_what_they_contribute():
    chain = {"use": "clipping", "max_norm": 0.5}, {"use": "gaussian-noise", "std": 5.0}
    loud, quiet = (federation(*chain, norm=norm, rounds=1) for norm in (10.0, 1e-6))
    tapes = [Tape(canaries=one.canaries, against=True) for one in (loud, quiet)]
    for one, tape in zip((loud, quiet), tapes, strict=True):
        one.messages(tape.hear)
    assert tapes[0].contribution(tapes[1]) == pytest.approx(0.5, rel=1e-3)


def test_a_strategy_that_refuses_replies_is_one_sentence():
    one = federation(settings={"strategy": "QFedAvg", "strategy_options": {"client_learning_rate": 0.1}})
    with pytest.raises(ConfigError, match=r"federation.strategy: QFedAvg does not take .* audit the chain under"):
        one.messages(lambda release: None)
