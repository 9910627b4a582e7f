"""A run under DP-SGD with Poisson samples: who was drawn is replayed and scored, and every epsilon has its relation."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fedleak.analysis.analysis import Analysis
from fedleak.cli.app import app
from fedleak.cli.compare import compared_in
from fedleak.cli.comparison_table import comparison_facts, comparison_tables
from fedleak.evaluation.narrowed import NOBODY
from fedleak.experiment.grid import load_campaign
from fedleak.figures.gallery import collect
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import read_run

pytestmark = pytest.mark.slow

EXPERIMENT = """
name = "poisson"
task = "digits-mlp"
metrics = ["psnr", "label-recall"]
[federation]
clients = 3
rounds = 2
examples = 20
batch_size = 2
[[attacks]]
use = "dlg"
steps = 1
[[defenses]]
name = "drawn"
chain = [{ use = "dp-sgd", noise_multiplier = 0.5, share = 20, sampling = "poisson" }]
[[defenses]]
name = "fixed"
chain = [{ use = "dp-sgd", noise_multiplier = 0.5 }]
[[defenses]]
name = "summed"
chain = [{ use = "dp-sgd", noise_multiplier = 0.5, share = 20, sampling = "poisson" }, { use = "secure-aggregation" }]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("poisson")
    (folder / "x.toml").write_text(EXPERIMENT)
    said = CliRunner().invoke(app, ["run", str(folder / "x.toml"), "--out", str(folder / "run"), "--jobs", "1"])
    assert said.exit_code == 0, said.output
    assert "problems" not in said.output
    return folder / "run"


def test_rounds_that_drew_nobody_have_no_figure_and_the_others_have(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    drawn = [row for row in rows if row["defense"] == "drawn"]
    nobody = [row for row in drawn if row["reason"] == NOBODY]
    assert {(row["round"], row["client"]) for row in nobody}, "the seed has such a round"
    assert all(row["value"] is None and row["samples"] == 0 for row in nobody)
    others = [row for row in drawn if row["reason"] != NOBODY]
    assert all(row["value"] is not None for row in others)
    assert {row["samples"] for row in others} - {2}, "the seed draws another number than is expected"
    assert (run / "gallery.png").exists()
    assert not (run / "errors.log").exists()


def test_examples_of_another_defense_are_not_passed_off_as_its_own(run: Path) -> None:
    panel = collect(RunFolder(run), load_campaign(run.parent / "x.toml"))
    reasons = {line.title: {picture.reason for picture in line.pictures} for line in panel.lines}
    assert "not trained on here" in reasons["fixed"]
    assert "not trained on here" not in reasons["drawn"]


def test_every_message_and_the_sum_are_replayed(run: Path) -> None:
    said = CliRunner().invoke(app, ["verify", str(run)])
    assert said.exit_code == 0, said.output
    assert "20 of 20 messages agree with the truth or are masked" in said.output


def test_the_relation_of_each_epsilon_is_named_where_they_are_compared(run: Path) -> None:
    results = compared_in(Analysis.of(read_run(run)), None)
    terms = {one["defense"]: one["epsilon_terms"] for one in comparison_facts(results)}
    assert terms["drawn"] == terms["summed"] == "add-or-remove example, Poisson samples at rate 0.1"
    assert terms["fixed"] == "replace-one example, no sampling credit"
    [_, costs] = comparison_tables(results, 80)
    shown = Console(width=80, file=StringIO(), record=True)
    shown.print(costs)
    text = shown.export_text()
    assert "add-or-remove" in text
    assert "replace-one" in text
