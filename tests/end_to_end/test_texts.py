"""A user's text goes from its file to a report that shows windows, and what is wrong with it is one sentence."""

import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.results.row import read_results

EXPERIMENT = """
name = "diaries"
metrics = ["label-recall", "membership-auc", "psnr", "ssim"]

[task]
data = "text:{file}"
network = "gru"
options = {{ hidden = 12 }}
data_options = {{ length = {length} }}

[federation]
clients = 2
examples = 60
batch_size = 4
release = "last"

[[attacks]]
use = "bias-sign"

[[attacks]]
use = "loss-threshold"

[[attacks]]
use = "inverting-gradients"
"""
WORDS = ("sea", "calm", "went", "out", "at", "four", "far", "bank", "where", "nets", "had", "been", "left", "over")


@pytest.fixture
def diaries(tmp_path: Path) -> Path:
    rng = random.Random(0)
    (tmp_path / "diary.txt").write_text(" ".join(rng.choice(WORDS) for _ in range(400)), encoding="utf-8")
    return tmp_path


def run(folder: Path, file: str = "diary.txt", length: int = 6):
    experiment = folder / "diaries.toml"
    experiment.write_text(EXPERIMENT.format(file=folder / file, length=length))
    return CliRunner().invoke(app, ["run", str(experiment), "--out", str(folder / "run")])


@pytest.mark.slow
def test_labels_and_members_are_asked_about_and_windows_are_not_rebuilt(diaries: Path) -> None:
    said = run(diaries)
    assert said.exit_code == 0, said.output
    rows = list(read_results(diaries / "run" / "results.jsonl"))
    values = {(row.attack, row.metric): row.value for row in rows}
    assert values["bias-sign", "label-recall"] > 0.5
    assert 0 <= values["loss-threshold", "membership-auc"] <= 1
    reasons = {(row.attack, row.metric): row.reason for row in rows}
    slopes = "gradient matching needs examples that can change little by little, and these are windows of 6 characters"
    assert reasons["inverting-gradients", "psnr"] == slopes
    assert (diaries / "run" / "gallery.png").is_file()
    assert (diaries / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("file", "length", "sentence"),
    [
        ("none.txt", 6, "none.txt is none; give the path of one"),
        ("diary.txt", 0, "task.data_options.length: expected greater than or equal to 1, got 0"),
        ("diary.txt", 900, "characters or more, so that each part has more than a window of 900"),
        ("diary.txt", 61, "has 60 characters, and a window is of 61; take more examples"),
        ("latin.txt", 6, "latin.txt: cannot be read as text in UTF-8"),
        ("empty.txt", 6, "empty.txt: expected a text of 35 characters or more"),
    ],
)
def test_a_text_that_cannot_be_taken_ends_with_status_2(file: str, length: int, sentence: str, diaries: Path) -> None:
    (diaries / "latin.txt").write_bytes("Käfer ".encode("latin-1") * 100)
    (diaries / "empty.txt").write_text("\n", encoding="utf-8")
    said = run(diaries, file, length)
    assert said.exit_code == 2, said.output
    assert sentence in " ".join(said.output.split())
    assert not isinstance(said.exception, Exception) or isinstance(said.exception, SystemExit)
