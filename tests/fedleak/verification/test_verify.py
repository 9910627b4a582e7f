"""A recording agrees with its truth, or the cause of the disagreement is named."""

import shutil
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.contracts.chain import Chain
from fedleak.contracts.model import Model, models
from fedleak.data.splits import load
from fedleak.errors import RecordingError
from fedleak.federation.outcome import Outcome, write_outcome
from fedleak.federation.reply import reply
from fedleak.learning.training import LocalTraining
from fedleak.recording.files import write_recording
from fedleak.recording.recording import Recording
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights, task_of
from fedleak.vault.batches import PrivateBatch, deposit
from fedleak.verification.verify import TRUTHLESS, breakdowns, verify

TRAINING = LocalTraining(batch_size=4, batches=2, epochs=1, learning_rate=0.1)
DICE = (0, "client", 0, 1)


class Layered(Model):
    """A linear classifier with one more layer before it."""

    paper: ClassVar = "https://example.org"
    bibtex: ClassVar = "@misc{none}"

    def network(self, shape, classes):
        pixels = shape[0] * shape[1] * shape[2]
        return nn.Sequential(nn.Flatten(), self.layer(pixels), nn.Linear(pixels, classes))


@models.register("test-dropout")
@dataclass(frozen=True, kw_only=True)
class WithDropout(Layered):
    def layer(self, pixels):
        return nn.Dropout(0.3)


@models.register("test-batchnorm")
@dataclass(frozen=True, kw_only=True)
class WithBatchNorm(Layered):
    def layer(self, pixels):
        return nn.BatchNorm1d(pixels)


def make_run(run, *, model="mlp", did=TRAINING, declared=TRAINING, chain=(), applied=None, dice=DICE, change=None):
    """A run folder with one client that trained as `did` and a recording that declares `declared`."""
    task = task_of(f"digits-{model}")
    before = initial_weights(task.name, 0)
    examples = load(task.name).clients[torch.arange(8)]
    defenses = Chain.build(tuple(chain))
    acting = defenses if applied is None else Chain.build(tuple(applied))
    after = reply(task, before, examples, did, acting, dice).weights
    payload = after.state_dict() if change is None else change(after.state_dict())
    recording = Recording(
        settings=TaskSettings.model_validate(task.name), before=before, payload=payload,
        kind="weights", cohort=(0,), round=1, num_examples=8,
        training=declared, chain=defenses, defense="none", seed=0, metrics={},
    )  # fmt: skip
    path = write_recording(run / "recordings" / "none", recording)
    truth = PrivateBatch(examples=examples, training=did, seed_key=DICE, client=0, round=1)
    deposit(run / "vault" / "none", truth)
    return path


def only_check(run):
    (check,) = verify(run)
    return check


@pytest.mark.parametrize("model", ["mlp", "test-dropout", "test-batchnorm"])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_an_honest_recording_agrees(tmp_path, model, mode):
    training = replace(TRAINING, mode=mode, momentum=0.9, epochs=2)
    make_run(tmp_path, model=model, did=training, declared=training)
    check = only_check(tmp_path)
    assert check.verdict == "agrees"
    assert check.comparison.error == 0.0
    assert ("dropout is active" in check.remark) == (model == "test-dropout" and mode == "train")


def test_noise_is_replayed_from_the_clients_dice(tmp_path):
    make_run(tmp_path, chain=[{"use": "gaussian-noise", "std": 0.1}])
    assert only_check(tmp_path).verdict == "agrees"


def test_an_update_that_drowns_in_rounding_is_not_called_agreeing(tmp_path):
    tiny = replace(TRAINING, learning_rate=1e-7)
    make_run(tmp_path, did=tiny, declared=tiny, change=rounded_elsewhere)
    assert only_check(tmp_path).verdict == "undecided"


def test_unknown_facts_come_from_the_vault_and_are_named(tmp_path):
    make_run(tmp_path, declared=TRAINING.hiding(("epochs", "learning_rate")))
    check = only_check(tmp_path)
    assert check.verdict == "agrees"
    assert "taken from the vault: epochs, learning_rate" in check.remark


CLIPPED = [{"use": "clipping", "max_norm": 0.01}]


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"did": replace(TRAINING, epochs=3)}, "trained with epochs = 3, not 1 as declared"),
        ({"did": replace(TRAINING, momentum=0.9)}, "trained with momentum = 0.9, not 0.0 as declared"),
        ({"did": replace(TRAINING, mode="eval"), "model": "test-batchnorm"}, "mode = eval, not train"),
        ({"chain": CLIPPED, "applied": []}, "the defense 'none' was not applied"),
        ({"model": "test-dropout", "dice": (1, "other")}, "possibly dropout"),
        ({"change": lambda state: {n: v + 0.01 for n, v in state.items()}}, "the recording or the truth was altered"),
    ],
)
def test_the_cause_of_a_disagreement_is_named(tmp_path, facts, cause):
    make_run(tmp_path, **facts)
    check = only_check(tmp_path)
    assert check.verdict == "disagrees"
    assert cause in check.remark


@pytest.mark.parametrize(
    ("did", "cause"),
    [
        ({"learning_rate": 0.05}, "the learning rate was about 0.05, not 0.1 as declared"),
        ({"epochs": 2}, "the client trained for 2 epochs, not 1 as declared"),
        ({"mode": "eval"}, "the client trained in eval mode, not in train mode as declared"),
    ],
)
def test_causes_are_found_also_where_the_vault_repeats_the_wrong_fact(tmp_path, did, cause):
    one_batch = replace(TRAINING, batch_size=8, batches=1)
    make_run(tmp_path, model="test-batchnorm", did=replace(one_batch, **did), declared=one_batch)
    examples = load("digits-mlp").clients[torch.arange(8)]
    deposit(
        tmp_path / "vault" / "none",
        PrivateBatch(examples=examples, training=one_batch, seed_key=DICE, client=0, round=1),
    )
    check = only_check(tmp_path)
    assert check.verdict == "disagrees"
    assert cause in check.remark


def test_other_counts_are_named(tmp_path):
    make_run(tmp_path)
    few = load("digits-mlp").clients[torch.arange(5)]
    deposit(
        tmp_path / "vault" / "none", PrivateBatch(examples=few, training=TRAINING, seed_key=DICE, client=0, round=1)
    )
    assert "counts 8 examples, the vault holds 5" in only_check(tmp_path).remark


def test_a_missing_truth_and_a_truncated_recording_disagree_in_one_sentence(tmp_path):
    path = make_run(tmp_path)
    (tmp_path / "vault" / "none" / "round-0001" / "client-0000.json").unlink()
    assert "cannot read" in only_check(tmp_path).remark
    tensors = path.with_suffix(".safetensors")
    tensors.write_bytes(tensors.read_bytes()[:100])
    assert "truncated" in only_check(tmp_path).remark


def rounded_elsewhere(state):
    return {name: (value.double() * (1 + 6e-8)).float() for name, value in state.items()}


def test_a_small_learning_rate_is_no_disagreement(tmp_path):
    """The update is a difference of weights, so the smaller it is the fewer digits it has."""
    slow = replace(TRAINING, learning_rate=1e-6)
    make_run(tmp_path, did=slow, declared=slow, change=rounded_elsewhere)
    check = only_check(tmp_path)
    assert check.verdict == "agrees"
    assert check.comparison.error > 0


def test_a_folder_without_recordings_is_one_sentence(tmp_path):
    with pytest.raises(RecordingError, match="holds no recordings"):
        verify(tmp_path)
    diary = tmp_path / "recordings" / "none" / "round-0001" / "relay.json"
    diary.parent.mkdir(parents=True)
    diary.write_text('{"format": "fedleak-diary-1"}')
    with pytest.raises(RecordingError, match="parties hold columns, and send no updates"):
        verify(tmp_path)


def test_the_command_says_who_agrees_and_fails_where_one_does_not(tmp_path):
    make_run(tmp_path)
    write_outcome(tmp_path / "recordings" / "none", Outcome(), None)
    said = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert said.exit_code == 0
    assert "round 1, client 0" in said.stdout
    assert "1 of 1 messages agree" in said.stdout
    make_run(tmp_path, did=replace(TRAINING, epochs=3))
    said = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert said.exit_code == 1
    assert "disagrees" in said.stdout


def test_what_a_server_had_received_before_it_was_killed_is_verified_and_the_federation_said_not_to_have_ended(
    tmp_path,
):
    make_run(tmp_path)
    said = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert said.exit_code == 1
    assert "1 of 1 messages agree" in said.stdout
    assert "the federation of none has not ended: its server still runs, or was stopped" in said.stderr


def test_of_what_was_imported_it_is_said_that_there_is_no_truth(tmp_path):
    make_run(tmp_path)
    shutil.rmtree(tmp_path / "vault")
    assert breakdowns(tmp_path) == [f"the federation of none {TRUTHLESS}"]
    with pytest.raises(RecordingError, match=r"was imported, without the truth .* `fedleak attack` reads it"):
        verify(tmp_path / "recordings" / "none")  # as `fedleak import --out` leaves a folder
