"""Where attacks fail, the terminal and the report say so, why, and that it is no proof of safety."""

import html
import re

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app

FAILS = """
name = "five local epochs"
seed = 2
task = "{task}"
metrics = ["psnr", "label-recall"]
[federation]
clients = 2
batch_size = 16
epochs = 5
[adversary]
auxiliary = 32
[model]
trained_rounds = 1
[[attacks]]
use = "inverting-gradients"
steps = 4
"""
INFERENCE = """
name = "who was there?"
task = "digits-mlp"
metrics = ["psnr", "membership-auc"]
[federation]
clients = 2
[[attacks]]
use = "update-cosine"
"""
NOTHING = r"Of the images(?: and labels)?, nothing beyond guessing was recovered"
NO_PROOF = "That is no proof of safety: other attacks, or the same with more steps, may get more."
CAUSE = "the update is of 5 local steps and was matched as one: try surrogate-model or fedavg-inversion"


def invoke(*words):
    said = CliRunner().invoke(app, [str(word) for word in words])
    assert said.exit_code == 0, said.stderr
    return " ".join(said.stdout.split())


def run(folder, text):
    (folder / "experiment.toml").write_text(text)
    return invoke("run", folder / "experiment.toml", "--out", folder / "run")


def report_of(folder):
    text = (folder / "run" / "report.html").read_text()
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.mark.slow
@pytest.mark.parametrize("task", ["digits-mlp", "digits-lenet"])
def test_a_failure_is_seen_on_the_terminal_and_in_the_report(tmp_path, task):
    said, page = run(tmp_path, FAILS.format(task=task)), report_of(tmp_path)
    for words in (said, page):
        assert "Without a defense, no attacker rebuilt any of 32 images or came nearer than guessing does" in words
        assert re.search(NOTHING, words)
        assert NO_PROOF in words
        assert f"nverting-gradients under none, 2 of 2 messages, such as: {CAUSE}" in words
    recording = tmp_path / "run" / "recordings" / "none" / "round-0001" / "client-0000.json"
    told = invoke(
        "attack", recording, "--use", "inverting-gradients", "--set", "steps=4", "--out", tmp_path / "one.png"
    )
    assert f"no match {CAUSE}" in told


@pytest.mark.slow
def test_a_metric_that_no_attack_answers_is_said_once_and_not_for_each_message(tmp_path):
    said, page = run(tmp_path, INFERENCE), report_of(tmp_path)
    assert said.count("psnr has no figure: no attack here guesses examples") == 1
    assert "the attack guesses no examples" not in said
    assert "psnr has no figure: no attack here guesses examples" in page
