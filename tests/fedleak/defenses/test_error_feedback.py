"""Error feedback: nothing is lost over the rounds, only late."""

from pathlib import Path

import pytest
import torch

from fedleak.client_round import client_round
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import Defense
from fedleak.defenses.error_feedback import ErrorFeedback
from fedleak.defenses.qsgd import QSGD
from fedleak.defenses.random_k import RandomK
from fedleak.defenses.sign_sgd import SignSGD
from fedleak.defenses.top_k import TopK
from fedleak.errors import ConfigError
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.learning.batch import Batch
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator
from fedleak.recording.files import read_recording
from fedleak.settings.base import parse_settings
from fedleak.tasks import initial_weights, task_of
from fedleak.vault.batches import withdraw
from fedleak.verification.verify import verify

INNER = [TopK(fraction=0.1), RandomK(fraction=0.3), SignSGD(), QSGD(levels=4)]


def delta(after: Weights, before: Weights) -> NamedTensors:
    return {name: after.parameters[name] - value for name, value in before.parameters.items()}


@pytest.mark.parametrize("of", INNER, ids=lambda of: of.name)
def test_what_was_sent_and_what_is_kept_are_all_that_was_given(of: Defense) -> None:
    task, training = task_of("digits-mlp"), LocalTraining(batch_size=4)
    before = initial_weights(task.name, 0)
    given = {name: torch.zeros_like(value) for name, value in before.parameters.items()}
    total, kept = dict(given), {}
    for round in range(4):
        batch = Batch(torch.rand(4, *task.shape, generator=generator(round)), torch.arange(4))
        trained = train_locally(task, before, batch, training, (round,))
        sent = client_round(task, before, batch, training, Chain((ErrorFeedback(of=of),)), (round,), kept)
        given = {name: value + delta(trained, before)[name] for name, value in given.items()}
        total = {name: value + delta(sent.weights, before)[name] for name, value in total.items()}
        kept, before = sent.kept, sent.weights
    for name, value in given.items():
        torch.testing.assert_close(total[name] + kept[f"0/{name}"], value, rtol=0, atol=1e-6)
    assert any(kept[f"0/{name}"].any() for name in given)


@pytest.mark.slow
def test_nothing_is_lost_in_a_federation_and_verification_agrees(tmp_path: Path) -> None:
    tree = {
        "task": "digits-mlp",
        "federation": {"clients": 2, "rounds": 3, "batch_size": 2},
        "chain": [
            {"use": "clipping", "max_norm": 1.0},
            {"use": "error-feedback", "of": {"use": "top-k", "fraction": 0.05}},
        ],
        "recordings": str(tmp_path / "recordings" / "feedback"),
        "vault": str(tmp_path / "vault" / "feedback"),
    }
    recordings = [read_recording(path) for path in run_federation(parse_settings(FederationPlan, tree)).recordings]
    [clip] = Chain.build(({"use": "clipping", "max_norm": 1.0},))
    for client in (0, 1):
        given = sent = torch.zeros(1)
        for recording in (one for one in recordings if one.cohort == (client,)):
            truth = withdraw(tmp_path / "vault" / "feedback", recording.round, client)
            if recording.round > 1:
                held = torch.cat([truth.kept[f"1/{name}"].reshape(-1) for name in recording.before.parameters])
                torch.testing.assert_close(held + sent, given, rtol=0, atol=1e-6)
                assert held.any()
            trained = train_locally(recording.task, recording.before, truth.examples, truth.training, truth.seed_key)
            clipped = clip.protect(Update(delta(trained, recording.before), UpdateKind.DELTA), generator(0))
            given = given + clipped.vector()
            sent = sent + recording.observation().update.vector()
    assert [check.verdict for check in verify(tmp_path)] == ["agrees"] * 6


def test_what_an_attacker_knows_is_what_is_known_of_the_inner_defense() -> None:
    given = Update({"a": torch.randn(30, generator=generator(0))}, UpdateKind.DELTA)
    for of in INNER:
        wrapped = ErrorFeedback(of=of)
        sent = wrapped.protect(given, generator(1))
        assert torch.equal(sent.vector(), of.protect(given, generator(1)).vector())
        assert torch.equal(wrapped.relaxed(given).vector(), of.relaxed(given).vector())
        assert repr(wrapped.observed_mask(sent)) == repr(of.observed_mask(sent))
        assert wrapped.negative_log_likelihood(given, sent) == of.negative_log_likelihood(given, sent)


@pytest.mark.parametrize(
    "of",
    [
        {"use": "secure-aggregation"},
        {"use": "larger-batches"},
        {"use": "withhold-batch-norm"},
        {"use": "error-feedback", "of": {"use": "sign-sgd"}},
    ],
)
def test_a_defense_that_does_more_than_to_change_the_update_is_refused(of: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"chain\.0: .*error-feedback needs a defense that acts on the update alone"):
        Chain.build(({"use": "error-feedback", "of": of},))


def test_a_defense_by_its_name_is_one_with_its_defaults() -> None:
    assert Chain.build(({"use": "error-feedback", "of": "sign-sgd"},)) == Chain((ErrorFeedback(of=SignSGD()),))
