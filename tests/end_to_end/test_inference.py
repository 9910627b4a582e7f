"""Questions about the examples behind an update, through the whole tool: each way of asking gets the same answer."""

import math

import pytest
import torch
from typer.testing import CliRunner

from fedleak.api import INFERENCE, attack, capture, observe, score
from fedleak.cli.app import app
from fedleak.data.splits import load
from fedleak.experiment.experiment import parse_experiment
from fedleak.gate.check import check_run
from fedleak.gate.policy import load_policy
from fedleak.learning.batch import Batch
from fedleak.run import run
from fedleak.runs import cell_file
from fedleak.runs.reading import read_run
from fedleak.statistics.summary import summarize
from fedleak.tasks import task_of

TREE = {
    "name": "who was there?",
    "seed": 3,
    "task": "digits-mlp",
    "metrics": [*INFERENCE, "psnr"],
    "federation": {"clients": 4, "batch_size": 4, "rounds": 2},
    "adversary": {"auxiliary": 64},
    "attacks": [
        {"use": "update-cosine"},
        {"use": "loss-trajectory"},
        {"use": "source-inference"},
        {"use": "property-inference", "shadows": 6},
    ],
    "defenses": [
        {"name": "none"},
        {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 10.0}]},
        {"name": "summed", "chain": [{"use": "secure-aggregation"}]},
    ],
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    outcome = run(parse_experiment(TREE), tmp_path_factory.mktemp("run") / "run")
    assert outcome.problems == ()
    return outcome


def figure(rows, defense: str, attack: str, metric: str, sender: str = "client"):
    wanted = (defense, attack, metric, sender)
    (found,) = (
        one
        for one in summarize(rows)
        if (one.group.defense, one.group.attack, one.group.metric, one.group.sender) == wanted
    )
    return found


@pytest.mark.slow
def test_members_are_found_without_a_defense_and_not_behind_noise(finished):
    bare, noisy = (figure(finished.rows, name, "update-cosine", "membership-auc") for name in ("none", "noisy"))
    assert bare.mean > 0.9
    assert bare.beats_guessing
    assert (bare.prior, bare.no_access) == (0.5, 0.5)
    assert len(bare.samples) == 32
    assert 0.35 < noisy.mean < 0.65
    rate = figure(finished.rows, "none", "update-cosine", "membership-tpr")
    assert rate.prior == pytest.approx(0.01)
    assert rate.mean > 0.3


@pytest.mark.slow
def test_a_masked_update_tells_nobody_s_name_and_the_sum_tells_some(finished):
    masked = figure(finished.rows, "summed", "update-cosine", "membership-auc")
    total = figure(finished.rows, "summed", "update-cosine", "membership-auc", "aggregate")
    assert 0.35 < masked.mean < 0.65
    assert total.mean > 0.7
    alone = figure(finished.rows, "summed", "source-inference", "source-auc")
    assert math.isnan(alone.mean)
    assert any("masked" in reason for reason in alone.failures)


@pytest.mark.slow
def test_a_metric_that_does_not_fit_is_no_failure(finished):
    pictures = figure(finished.rows, "none", "update-cosine", "psnr")
    assert pictures.failed == 0
    assert set(pictures.failures) == {"the attack guesses no examples"}


@pytest.mark.slow
def test_the_page_says_who_was_found(finished):
    page = finished.folder.report.read_text()
    assert "members" in page
    assert "A member counts as found from membership-auc 0.99, membership-tpr 1.00 or source-auc 0.99." in page


@pytest.mark.slow
def test_a_rule_can_be_about_members(finished, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text('rules = [\'membership-auc <= 0.6 where attack = "update-cosine"\']\ndecide_by = "figure"\n')
    verdict = check_run(read_run(finished.folder.root), finished.analysis, load_policy(policy))
    assert not verdict.passed
    broken = {finding.measurement.group.defense for rule in verdict.rules for finding in rule.broken}
    assert "none" in broken
    assert "noisy" not in broken


@pytest.mark.slow
def test_command_line_python_and_campaign_ask_the_same(finished):
    row = next(row for row in finished.rows if (row.attack, row.defense, row.metric, row.client, row.round)
               == ("update-cosine", "none", "membership-auc", 1, 2))  # fmt: skip
    recording = finished.folder.recording(row).with_suffix(".json")
    said = CliRunner().invoke(app, ["attack", str(recording), "--use", "update-cosine", "--auxiliary", "64"])
    assert said.exit_code == 0, said.output
    assert f"membership-auc    {row.value:.4g}" in said.output
    assert "psnr" not in said.output
    captured = next(
        one
        for one in capture("digits-mlp", seed=3, adversary={"auxiliary": 64}, **TREE["federation"])
        if (one.observation.cohort, one.observation.round) == ((1,), 2)
    )
    guess = attack(captured, "update-cosine")
    saved = cell_file.load(finished.folder.cell(row)).guess
    assert torch.allclose(guess.membership, saved.membership)
    assert score(guess, captured)[0].per_sample == pytest.approx(row.per_sample)


@pytest.mark.slow
def test_the_cell_keeps_answers_about_properties(finished):
    row = next(row for row in finished.rows if (row.attack, row.metric) == ("property-inference", "property-accuracy"))
    saved = cell_file.load(finished.folder.cell(row))
    assert saved.guess.properties is not None
    assert saved.prior.properties is not None
    assert len(row.per_sample) == len(saved.guess.properties)


def test_one_s_own_model_can_be_asked_about_one_s_own_strangers():
    private = load("digits-mlp").clients
    mine, others = private[torch.arange(2)], private[torch.arange(2, 300)]
    captured = observe(task_of("digits-mlp").network, mine.inputs, mine.labels, strangers=others)
    auc, rate = score(attack(captured, "update-cosine"), captured)[:2]
    assert (auc.metric, rate.metric) == ("membership-auc", "membership-tpr")
    assert auc.value > 0.9
    without = observe(task_of("digits-mlp").network, mine.inputs, mine.labels)
    assert "needs candidates" in attack(without, "update-cosine").failure


def test_by_default_a_guess_is_scored_by_what_it_says():
    captured = capture("digits-mlp", clients=2)[0]
    assert [one.metric for one in score(attack(captured, "bias-sign"), captured)][-1] == "label-recall"
    answers = score(attack(captured, "property-inference", shadows=10), captured)
    assert [one.metric for one in answers] == ["property-accuracy", "property-brier"]
    assert isinstance(captured.truth, Batch)
