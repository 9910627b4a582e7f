"""An analysis is made once, whoever reads it."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import fedleak
from fedleak.analysis.analysis import Analysis
from fedleak.cli.app import app
from fedleak.experiment.grid import parse_campaign
from fedleak.statistics import summary

EXPERIMENT = """
name = "tiny"
task = "digits-mlp"
seed = 1
metrics = ["psnr", "label-recall"]
[federation]
clients = 1
fraction_evaluate = 1.0
[[attacks]]
use = "bias-sign"
[[attacks]]
use = "inverting-gradients"
steps = 3
[[defenses]]
name = "none"
[[defenses]]
name = "sparse"
chain = [{ use = "top-k", fraction = 0.5 }]
"""
POLICY = """rules = ["psnr <= 500"]
decide_by = "figure"
"""


@pytest.fixture
def counted(monkeypatch):
    """Every summary of a whole run begins with the choice of variants, once."""
    calls, choose = [], summary.tuned_variants
    monkeypatch.setattr(summary, "tuned_variants", lambda rows: calls.append(rows) or choose(rows))
    return calls


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


def call(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code in (0, 1), result.output
    return result.output


@pytest.mark.slow
def test_a_run_that_prints_its_table_and_writes_its_report_is_summarized_once(experiment, policy, tmp_path, counted):
    output = call("run", experiment, "--out", tmp_path / "run")
    assert "inverting-gradients" in output
    assert (tmp_path / "run" / "report.html").exists()
    assert len(counted) == 1
    for again in (
        ("report", tmp_path / "run"),
        ("advise", tmp_path / "run", "--max-leak", "99"),
        ("check", tmp_path / "run", "--policy", policy),
        ("check", tmp_path / "run", "--baseline", tmp_path / "run"),
    ):
        counted.clear()
        call(*again)
        assert len(counted) == 1, again


@pytest.mark.slow
def test_a_comparison_is_summarized_once(experiment, tmp_path, counted):
    learning = '[[attacks]]\nuse = "lti"\nshadows = 4\nepochs = 1\nhidden = 4\n'
    experiment.write_text(EXPERIMENT.replace("[[defenses]]", learning + "[[defenses]]", 1))
    call("compare", experiment, "--seeds", 1, "--out", tmp_path / "run")
    assert len(counted) == 1


@pytest.mark.slow
def test_an_experiment_that_is_run_and_checked_is_summarized_once(experiment, policy, tmp_path, counted):
    call("check", experiment, "--policy", policy, "--out", tmp_path / "run")
    assert len(counted) == 1


def test_nobody_else_summarizes_a_run():
    """Values of one run that are computed twice may one day differ; the gate reads audits, which are no runs."""
    root = Path(fedleak.__file__).parent
    callers = [path for path in root.rglob("*.py") if re.search(r"(?<!def )\bsummarize\(", path.read_text())]
    assert {str(path.relative_to(root)) for path in callers} == {"analysis/analysis.py", "gate/audits.py"}


@pytest.fixture
def analysis(make_row):
    noisy = {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 0.1}]}
    tree = {
        "name": "x",
        "task": "digits-mlp",
        "metrics": ["psnr"],
        "attacks": [{"use": "dlg"}],
        "defenses": [{"name": "none"}, noisy],
    }
    rows = [make_row(value, defense=name, client=client) for name, value in (("none", 30.0), ("noisy", 11.0))
            for client in range(3)]  # fmt: skip
    tuning = [make_row(99.0, split="tuning", seed=9)]
    return Analysis(campaign=parse_campaign(tree), rows=(*tuning, *rows), unfinished=2)


def test_tuning_rows_choose_and_are_not_reported(analysis):
    assert len(analysis.test_rows) == 6
    assert [one.mean for one in analysis.summaries] == [30.0, 11.0]
    assert list(analysis.groups) == [one.group for one in analysis.summaries]


def test_everything_is_of_the_same_summaries(analysis):
    assert analysis.evidence.summaries is analysis.summaries
    assert analysis.evidence.comparisons is analysis.comparisons
    assert analysis.defenses("psnr") is analysis.defenses("psnr")
    assert [one.strongest for one in analysis.defenses("psnr")] == list(analysis.summaries)
    assert [one.defended for one in analysis.defenses("psnr")] == [False, True]


def test_it_is_told_by_its_metric_on_images(analysis):
    assert (analysis.metrics, analysis.image_metric, analysis.main_metric) == (("psnr",), "psnr", "psnr")


def test_what_was_not_run_is_untested(analysis):
    assert analysis.untested[0].title == "Cells that were not run"


def test_a_run_without_attacks_has_an_analysis(analysis):
    empty = Analysis(campaign=analysis.campaign, rows=())
    assert (empty.summaries, empty.comparisons, empty.bounds, empty.main_metric) == ((), (), (), None)


def test_who_knows_a_defense_and_guesses_pixels_tests_it_where_labels_are_guessed_too(make_row):
    noisy = {"name": "noisy", "chain": [{"use": "cut-noise", "scale": 0.1}]}
    tree = {
        "name": "x", "task": "digits-mlp", "federation": {"partition": "columns", "clients": 2, "cut": 3},
        "adversary": {"known_labels": 40, "bottoms": "weights"}, "defenses": [{"name": "none"}, noisy],
        "attacks": [{"use": "passive-labels"}, {"use": "regularised-likelihood"}],
    }  # fmt: skip
    labels = [make_row(0.8, metric="column-accuracy", attack="passive-labels", defense=name, client=1)
              for name in ("none", "noisy")]  # fmt: skip
    pixels = [make_row(30.0, metric="column-psnr", attack="regularised-likelihood", defense=name, client="active")
              for name in ("none", "noisy")]  # fmt: skip
    campaign = parse_campaign(tree)
    assert Analysis(campaign=campaign, rows=tuple(labels)).unaware == ("noisy",)
    both = Analysis(campaign=campaign, rows=(*labels, *pixels))
    assert (both.main_metric, both.unaware) == ("column-accuracy", ())
    assert both.evidence.adapted == {"noisy"}
