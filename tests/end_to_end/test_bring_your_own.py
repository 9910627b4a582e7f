"""A stranger's model and data go through a run, its resumption, the gate, a profile and the report, as they are."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.recording import find_recordings, read_recording
from fedleak.results.row import read_results

STRANGERS = Path(__file__).resolve().parents[1] / "strangers"
EXPERIMENT = """
name = "a stranger's"

[task]
data = "flowers:Flowers"
network = "flowers:TwoEyes"
shape = [4, 16, 16]
classes = 5
options = { width = 8 }
freeze = ["depth"]

[federation]
clients = 2
rounds = 2
batch_size = 2

[[attacks]]
use = "bias-sign"

[[attacks]]
use = "inverting-gradients"
steps = 20

[[defenses]]
name = "none"

[[defenses]]
name = "noise"
chain = [{ use = "gaussian-noise", std = 0.001 }]
"""
POLICY = 'rules = ["label-recall.mean <= 1.0"]'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The experiment, with the stranger's file beside it."""
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copy(STRANGERS / "flowers.py", folder)
    (folder / "experiment.toml").write_text(EXPERIMENT)
    (folder / "policy.toml").write_text(POLICY)
    return folder


def fedleak(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules")
def test_nothing_of_fedleak_has_to_change(folder: Path) -> None:
    run = folder / "run"
    fedleak("run", folder / "experiment.toml", "--out", run, "--jobs", "2")
    rows = read_results(run / "results.jsonl")
    assert {row.task for row in rows} == {"Flowers-TwoEyes"}
    assert not [row for row in rows if row.reason and row.attack == "bias-sign" and row.metric == "label-recall"]
    assert "agree with the truth" in fedleak("verify", run)
    assert "8 of 8" in fedleak("verify", run)
    for command in (
        ("check", run, "--policy", folder / "policy.toml"),
        ("report", run),
        ("profile", recording_of(run)),
    ):
        fedleak(*command)


def recording_of(run: Path) -> Path:
    return find_recordings(run / "recordings")[0]


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules")
def test_what_is_frozen_is_not_in_the_update(folder: Path) -> None:
    recording = read_recording(recording_of(folder / "run"))
    update = recording.observation().update.tensors
    assert "color.weight" in update
    assert not [name for name in update if name.startswith("depth")]
    assert {"depth.weight", "depth.bias"} <= set(recording.payload)


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules")
def test_other_code_is_another_run(folder: Path) -> None:
    before = len(read_results(folder / "run" / "results.jsonl"))
    assert "was there already" in fedleak("run", folder / "experiment.toml", "--out", folder / "run")
    source = folder / "flowers.py"
    source.write_text(source.read_text().replace("noise=0.05", "noise=0.06"))
    command = [sys.executable, "-m", "fedleak", "run", folder / "experiment.toml", "--out", folder / "run"]
    again = subprocess.run(command, capture_output=True, text=True, check=True)  # modules are imported once a process
    assert "was there already" not in again.stdout + again.stderr
    assert len(read_results(folder / "run" / "results.jsonl")) == before
