"""Whole federations in this process: what is recorded, what fails, what stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fedleak.clients import client as client_module
from fedleak.errors import ConfigError, FederationError, NonFiniteError
from fedleak.federation.engine import run_federation
from fedleak.federation.outcome import COSTS, FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.federation.reply import reply
from fedleak.recording.files import find_recordings, read_recording
from fedleak.recording.recording import Recording
from fedleak.settings.base import Table, parse_settings
from fedleak.tasks import task_of
from fedleak.vault.batches import withdraw

Run = Callable[..., FederationReport]
MASKED: dict[str, Any] = {"chain": [{"use": "secure-aggregation", "keys": "seeded"}], "defense": "masked"}


DICE = 5
"""The place of the dice among the arguments of `reply`."""


def plan_in(folder: Path, **changes: Any) -> FederationPlan:
    places = {"task": "digits-mlp", "recordings": str(folder / "recordings"), "vault": str(folder / "truth")}
    return parse_settings(FederationPlan, {**places, **changes})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda **changes: run_federation(plan_in(tmp_path, **changes))


def failing_client(monkeypatch: pytest.MonkeyPatch, client: int, error: Exception) -> None:
    def failing(*arguments: Any) -> Any:
        if arguments[DICE][2] == client:
            raise error
        return reply(*arguments)

    monkeypatch.setattr(client_module, "reply", failing)


def read(report: FederationReport) -> list[Recording]:
    return [read_recording(path) for path in report.recordings]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, but for the one that a clock had a hand in."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != COSTS)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def delta(recording: Recording) -> Tensor:
    return recording.observation().update.vector()


def test_every_client_of_every_round_is_recorded_in_order(run: Run) -> None:
    recordings = read(run(federation={"clients": 3, "rounds": 2}))
    assert [(r.round, *r.cohort) for r in recordings] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert all(r.kind == "weights" and r.num_examples == 1 for r in recordings)
    assert all(set(r.metrics) == {"train_loss"} for r in recordings)


def test_ten_small_clients(run: Run) -> None:
    assert len(run(federation={"clients": 10}).recordings) == 10


def test_fedsgd_sends_minus_learning_rate_times_the_gradient(run: Run, tmp_path: Path) -> None:
    for recording in read(run(federation={"clients": 2, "batch_size": 4, "learning_rate": 0.5})):
        truth = withdraw(tmp_path / "truth", recording.round, recording.cohort[0])
        gradients = recording.task.gradients(recording.before, truth.examples.inputs, truth.examples.labels)
        expected = -0.5 * torch.cat([gradient.reshape(-1) for gradient in gradients.values()])
        torch.testing.assert_close(delta(recording), expected, rtol=0, atol=1e-7)


def test_the_next_round_starts_from_the_weighted_mean(run: Run) -> None:
    recordings = read(run(federation={"clients": 3, "rounds": 2, "batches": "all", "batch_size": 64}))
    first = [r for r in recordings if r.round == 1]
    total = sum(r.num_examples or 0 for r in first)
    for name, value in recordings[3].before.parameters.items():
        mean = sum(r.payload[name].double() * (r.num_examples or 0) / total for r in first)
        torch.testing.assert_close(value.double(), mean, rtol=0, atol=1e-6)


@pytest.mark.parametrize("chain", [[], [{"use": "clipping", "max_norm": 0.01}, {"use": "gaussian-noise", "std": 0.1}]])
def test_the_vault_recomputes_every_update_bit_for_bit(run: Run, tmp_path: Path, chain: list[dict[str, Any]]) -> None:
    settings = {"clients": 2, "rounds": 2, "batch_size": 3, "batches": 2, "epochs": 2, "momentum": 0.9}
    for recording in read(run(federation=settings, chain=chain)):
        truth = withdraw(tmp_path / "truth", recording.round, recording.cohort[0])
        again = reply(
            recording.task, recording.before, truth.examples, truth.training, recording.chain, truth.seed_key
        ).weights
        assert all(torch.equal(value, recording.payload[name]) for name, value in again.state_dict().items())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    settings = {"clients": 4, "rounds": 2, "strategy_options": {"fraction_train": 0.5}, "fraction_evaluate": 0.5}
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        torch.rand(3)
        run_federation(plan_in(tmp_path / name, federation=settings, seed=seed, model={"trained_rounds": 1}, **MASKED))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_what_the_adversary_does_not_know_is_not_recorded(run: Run) -> None:
    settings = {"clients": 2, "batches": "all", "batch_size": 100}
    recording = read(run(federation=settings, adversary={"unknown": ["learning_rate", "mode"]}))[0]
    assert recording.training.unknown() == ("learning_rate", "mode")
    assert recording.training.batches == -(-(recording.num_examples or 0) // 100)


@pytest.mark.slow
def test_a_client_that_fails_costs_nobody_else_a_recording(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_client(monkeypatch, 1, RuntimeError("out of cheese"))
    report = run(federation={"clients": 3, "rounds": 2})
    assert [r.cohort for r in read(report)] == [(0,), (2,), (0,), (2,)]
    assert [(f.client, f.round, f.reason, f.user_error) for f in report.failures] == [
        (1, round, "RuntimeError: out of cheese", False) for round in (1, 2)
    ]


def test_a_round_without_a_reply_ends_the_federation(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_client(monkeypatch, 0, RuntimeError("out of cheese"))
    with pytest.raises(FederationError, match="round 1: no client sent an update: RuntimeError: out of cheese"):
        run(federation={"clients": 1})


def test_a_model_that_returns_nan_is_the_user_s_own_error_and_what_came_before_it_stays(
    run: Run, tmp_path: Path
) -> None:
    with pytest.raises(NonFiniteError, match=r"round 2: no client sent an update: .*learning_rate"):
        run(federation={"clients": 2, "rounds": 3, "learning_rate": 1e30})
    assert len(find_recordings(tmp_path / "recordings")) == 2


def test_a_server_that_runs_other_code_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "source_fingerprint", lambda: "other")
    with pytest.raises(FederationError, match="start both from the same checkout"):
        run()


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        ({"chain": [{"use": "inconsistency", "victim": 9}]}, "chain.0: the victim of 'inconsistency' is client 9"),
        ({"chain": [{"use": "lies-about-dropouts"}]}, "chain.0: lies-about-dropouts: expected a run under"),
        ({"chain": [{"use": "inconsistency"}], "begins": 5}, "begins: expected one of the 2 recorded rounds"),
    ],
)
def test_a_server_that_does_not_fit_its_plan_is_refused_though_no_experiment_was_read(
    run: Run, server: Table, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=f"server 'own', {sentence}"):
        run(federation={"clients": 3, "rounds": 2}, server={"name": "own", **server})


def test_an_earlier_federation_in_the_same_folder_is_replaced(run: Run, tmp_path: Path) -> None:
    run(federation={"rounds": 2})
    (tmp_path / "recordings" / "notes.txt").write_text("mine")
    assert len(run(federation={"clients": 2}).recordings) == 2
    assert (tmp_path / "recordings" / "notes.txt").exists()


def test_training_before_the_recorded_rounds_starts_them_from_a_better_model(run: Run) -> None:
    settings = {"clients": 2, "fraction_evaluate": 1.0}
    report = run(federation=settings, model={"trained_rounds": 3})
    assert {r.round for r in read(report)} == {1}
    assert report.evaluation[1]["accuracy"] > 0.5
    assert run(federation=settings).evaluation[1]["accuracy"] < 0.4


@pytest.mark.slow
def test_batchnorm_buffers_are_recorded_as_they_came_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of("digits-resnet18")
    report = run_federation(plan_in(tmp_path, task=task.name, federation={"clients": 1, "batch_size": 2}))
    observation = read(report)[0].observation()
    assert observation.buffers_after is not None
    assert observation.buffers_after["bn1.num_batches_tracked"] == 1
    assert not torch.equal(
        observation.buffers_after["bn1.running_mean"], observation.before.buffers["bn1.running_mean"]
    )


@pytest.mark.slow
def test_secure_aggregation_reveals_the_clear_mean_and_nothing_else(tmp_path: Path) -> None:
    settings = {
        "clients": 4,
        "rounds": 2,
        "batches": "all",
        "batch_size": 32,
        "partitioner": "DirichletPartitioner",
        "partitioner_options": {"alpha": 0.5},
    }
    clear = read(run_federation(plan_in(tmp_path / "clear", federation=settings)))
    hidden = read(run_federation(plan_in(tmp_path / "hidden", federation=settings, **MASKED)))
    aggregate = hidden[4]
    assert [r.kind for r in hidden] == [*["masked"] * 4, "aggregate"] * 2
    assert aggregate.cohort == (0, 1, 2, 3)
    assert aggregate.num_examples == sum(r.num_examples or 0 for r in clear[:4])
    mean = sum(delta(r).double() * (r.num_examples or 0) for r in clear[:4]) / aggregate.num_examples
    # Clear updates have the rounding of weights in them, which the sum has not.
    assert torch.linalg.vector_norm(delta(aggregate) - mean) < 1e-4 * torch.linalg.vector_norm(mean)
    for masked, sent in zip(hidden[:4], clear[:4], strict=True):
        assert masked.num_examples is None
        assert not masked.metrics
        assert masked.observation().masked
        assert sorted(masked.public_keys) == ["0", "1", "2", "3"]
        assert abs(float(torch.corrcoef(torch.stack([delta(masked), delta(sent)]))[0, 1])) < 0.05
    for name, value in hidden[5].before.parameters.items():
        torch.testing.assert_close(value, clear[4].before.parameters[name], rtol=0, atol=1e-6)


def test_secure_aggregation_refuses_what_would_overflow(run: Run) -> None:
    with pytest.raises(ConfigError, match="lower fraction_bits"):
        run(federation={"learning_rate": 1e4}, chain=[{"use": "secure-aggregation", "fraction_bits": 60}])


def test_a_federation_that_is_not_tapped_records_nothing(run: Run) -> None:
    assert run(records=()).recordings == ()
