"""Strangers' models, data and losses go through every command as they are: nothing of fedleak has to change."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.recording.files import find_recordings, read_recording
from fedleak.results.row import read_results
from fedleak.tasks import task_of

STRANGERS = Path(__file__).resolve().parents[1] / "strangers"
POLICY = 'rules = ["label-recall.mean <= 1.0"]'
REST = """
[[attacks]]
use = "auto-labels"

[[attacks]]
use = "{attack}"
steps = 8

[[defenses]]
name = "none"

[[defenses]]
name = "noise"
chain = [{ use = "gaussian-noise", std = 0.0001 }]
"""
ATTACKERS = 'attacks=[{use="inverting-gradients",steps=[2,3]},{use="lti",shadows=8,hidden=8,epochs=2}]'
QUICKLY = ("--set", ATTACKERS, "--set", "adversary.victims=1", "--set", "tuning={seeds=[7]}")
"""What `compare` is cut down to here: one attack that is tuned, and one that learns, from few examples."""


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """What a stranger wrote: a module, and an experiment about it."""

    module: str
    label: str
    task: str
    federation: str
    """How the federation trains."""
    attack: str = "inverting-gradients"


FLOWERS = Stranger(
    module="flowers",
    label="Flowers-TwoEyes",
    task="""
data = "flowers:Flowers"
network = "flowers:TwoEyes"
shape = [4, 16, 16]
classes = 5
options = { width = 8 }
freeze = ["depth"]
""",
    federation="batch_size = 2",
)
SCANS = Stranger(
    module="scans",
    label="scans-Detector",
    task="""
data = "scans:scans"
network = "scans:Detector"
shape = [1, 16, 16]
classes = 2
loss = "binary-cross-entropy"
loss_options = { positive_weight = 2.0 }
""",
    federation="""
batch_size = 2
batches = 3
momentum = 0.9
nesterov = true
schedule = "CosineAnnealingLR"
gradient_clipping = 1.0
augmentation = ["RandomHorizontalFlip", { name = "RandomCrop", size = 16, padding = 2 }]
accumulation = 2
proximal = 0.1
""",
    attack="fedavg-inversion",
)
HERBS = Stranger(
    module="herbs",
    label="as_tensors-fine_tuned",
    task="""
data = "herbs:as_tensors"
network = "herbs:fine_tuned"
shape = [3, 12, 12]
classes = 4
normalize = { mean = [0.3, 0.4, 0.3], std = [0.2, 0.2, 0.2] }
loss = "herbs:focal"
loss_options = { gamma = 1.5 }
freeze = ["0.*"]
""",
    federation='batch_size = 2\noptimizer = "adamw"\nlearning_rate = 0.001\nweight_decay = 0.01\nmode = "eval"',
)
SHELVES = Stranger(
    module="shelves",
    label="Shelves-Tagger",
    task="""
data = "shelves:Shelves"
network = "shelves:Tagger"
shape = [3, 12, 12]
classes = 5
several_labels = true
loss = "binary-cross-entropy"
""",
    federation='batch_size = 1\npartitioner = "DirichletPartitioner"\npartitioner_options = { alpha = 1.0 }',
)


@pytest.fixture(scope="module", params=[FLOWERS, SCANS, HERBS, SHELVES], ids=lambda stranger: stranger.module)
def stranger(request: pytest.FixtureRequest) -> Stranger:
    return request.param


@pytest.fixture(scope="module")
def folder(stranger: Stranger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment, with the stranger's file beside it."""
    folder = tmp_path_factory.mktemp(stranger.module)
    shutil.copy(STRANGERS / f"{stranger.module}.py", folder)
    experiment = f'name = "theirs"\n\n[task]{stranger.task}\n[federation]\nclients = 2\n{stranger.federation}\n'
    (folder / "experiment.toml").write_text(experiment + REST.replace("{attack}", stranger.attack))
    (folder / "policy.toml").write_text(POLICY)
    return folder


def fedleak(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules")
def test_nothing_of_fedleak_has_to_change(folder: Path, stranger: Stranger) -> None:
    run = folder / "run"
    fedleak("run", folder / "experiment.toml", "--out", run)
    rows = read_results(run / "results.jsonl")
    assert {row.task for row in rows} == {stranger.label}
    failed = {row.reason for row in rows if row.reason and row.metric in ("label-recall", "psnr")}
    assert not {reason for reason in failed if "guesses no" not in reason}
    assert "agree with the truth" in fedleak("verify", run)
    require_nothing_frozen_in(recording_of(run), stranger)
    for command in (
        ("check", run, "--policy", folder / "policy.toml"),
        ("report", run),
        ("profile", recording_of(run)),
        (
            "compare",
            folder / "experiment.toml",
            "--out",
            folder / "compared",
            "--seeds",
            "1",
            *QUICKLY,
        ),
    ):
        fedleak(*command)


def recording_of(run: Path) -> Path:
    return find_recordings(run / "recordings")[0]


def require_nothing_frozen_in(path: Path, stranger: Stranger) -> None:
    """An update has what is trained, and that alone."""
    recording = read_recording(path)
    update, network = recording.observation().update.tensors, task_of(recording.settings).network
    assert set(update) == {name for name, value in network.named_parameters() if value.requires_grad}
    assert ("freeze" in stranger.task) == (len(update) < len(list(network.parameters())))


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize("stranger", [FLOWERS], ids=["flowers"], indirect=True)
def test_other_code_is_another_run(folder: Path, stranger: Stranger) -> None:
    run = folder / "labels"
    few = ("--set", 'attacks=[{use="auto-labels"}]', "--set", 'defenses=[{name="none"}]')
    words = ("run", folder / "experiment.toml", "--out", run, *few)
    fedleak(*words)
    before = len(read_results(run / "results.jsonl"))
    assert "was there already" in fedleak(*words)
    source = folder / f"{stranger.module}.py"
    source.write_text(source.read_text().replace("\n\n\n", "\n\n\nCHANGED = 1\n\n\n", 1))
    command = [sys.executable, "-m", "fedleak", *words]  # modules are imported once a process
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "was there already" not in again.stdout + again.stderr
    assert len(read_results(run / "results.jsonl")) == before
