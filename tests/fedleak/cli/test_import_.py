"""`fedleak import`: what is written, what is said, and what is refused before anything is written."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from fedleak.cli.app import app
from fedleak.cli.import_ import training_told
from fedleak.errors import ConfigError
from fedleak.recording.files import read_recording
from fedleak.tasks import initial_weights
from fedleak.wiretap.journal import FORMAT, Journal

TASK = "digits-mlp"


@pytest.fixture
def states(tmp_path: Path) -> list[str]:
    state = initial_weights(TASK, 0).state_dict()
    torch.save(state, tmp_path / "before.pt")
    torch.save({name: value + 1 for name, value in state.items()}, tmp_path / "after.pt")
    return [str(tmp_path / "before.pt"), str(tmp_path / "after.pt")]


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, ["import", *words])


def test_what_is_imported_is_a_recording_and_the_way_on_is_said(states: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = invoke(*states, "--task", TASK, "--set", "learning_rate=0.5", "--examples", "4", "--out", str(out))
    assert done.exit_code == 0, done.output
    recording = read_recording(out / "round-0001" / "client-0000.json")
    assert recording.training.learning_rate == 0.5
    assert recording.training.unknown() == ("batch_size", "batches", "epochs")
    assert "unknown to attacks: batch_size, batches and epochs" in done.output
    assert f"fedleak attack {out / 'round-0001' / 'client-0000.json'}" in done.output


def test_a_task_may_be_that_of_an_experiment_file(states: list[str], tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('name = "own"\ntask = "digits-mlp"\n[[attacks]]\nuse = "dlg"\n')
    done = invoke(*states, "--task", str(tmp_path / "own.toml"), "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output


def test_what_is_there_is_replaced_only_where_that_is_asked(states: list[str], tmp_path: Path) -> None:
    words = (*states, "--task", TASK, "--out", str(tmp_path / "out"))
    assert invoke(*words).exit_code == 0
    again = invoke(*words)
    assert (again.exit_code, "is there already" in again.output) == (2, True)
    assert invoke(*words, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("count", "more", "sentence"),
    [
        (1, (), "expected two files"),
        (2, ("--set", "clients=3"), "--set clients: says not how a client trained"),
        (2, ("--set", "learning_rate=-1"), "--set.learning_rate: expected greater than 0"),
        (2, ("--gradients", "--set", "epochs=2"), "--set epochs: a gradient is of one batch"),
        (2, ("--task", "digits-lenet"), "is of another network"),
    ],
)
def test_what_cannot_be_imported_is_a_sentence(
    states: list[str], count: int, more: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    done = invoke(*states[:count], "--task", TASK, "--out", str(tmp_path / "out"), *more)
    assert (done.exit_code, sentence in done.output) == (2, True), done.output
    assert not (tmp_path / "out").exists()


def test_a_folder_of_the_tap_is_a_recording_of_each_reply(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "tap", 10**7)
    state = {name: value.numpy() for name, value in initial_weights(TASK, 0).state_dict().items()}
    digest = journal.store(state, {})
    journal.write({"kind": "tap", "tap": "t", "format": FORMAT})
    for name in ("1", "2"):
        where = {"tap": "t", "id": name, "node": int(name) + 4, "type": "train", "round": 3}
        journal.write({"kind": "sent", **where, "arrays": {"weights": digest}})
    answer = {"arrays": {"weights": digest}, "metrics": {"m": {"num-examples": 6}}}
    journal.write({"kind": "reply", "tap": "t", "to": "2", **answer})
    done = invoke(str(tmp_path / "tap"), "--task", TASK, "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert "left out  round 3, node 5 (client 0): no reply" in done.output
    assert read_recording(tmp_path / "out" / "round-0003" / "client-0001.json").num_examples == 6


def test_one_batch_is_of_all_examples() -> None:
    assert training_told(["batches=1"], 8, of_gradient=False).batch_size == 8
    assert training_told([], 8, of_gradient=True).batch_size == 8
    assert training_told([], 8, of_gradient=False).batch_size is None
    with pytest.raises(ConfigError):
        training_told(["batches"], 8, of_gradient=False)
