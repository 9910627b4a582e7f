"""`fedleak detect` in whole: honest and crafted models beside each other, and what is recovered all the same."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.results.check_row import read_checks
from fedleak.results.federation_row import read_federations

EXPERIMENT = """
name = "trial"
seed = [0, 1]
task = "digits-mlp"
metrics = ["psnr"]

[calibration]
seeds = 9

[federation]
clients = 2
rounds = 3
batch_size = 8

[[attacks]]
use = "imprint-readout"

[[servers]]
name = "honest"

[[servers]]
name = "imprint"
chain = [{ use = "imprint", form = "weights", bins = 128 }]
begins = 2

[[defenses]]
name = "watched"
chain = [{ use = "weight-watch" }]
"""


def detect(status: int, *arguments: str) -> Result:
    result = CliRunner().invoke(app, ["detect", *arguments])
    assert result.exit_code == status, result.output
    return result


@pytest.mark.slow
def test_a_plain_imprint_is_seen_from_the_round_in_which_it_begins(tmp_path: Path) -> None:
    (tmp_path / "trial.toml").write_text(EXPERIMENT)
    options = (str(tmp_path / "trial.toml"), "--out", str(tmp_path / "run"), "--false-alarms", "0.1")
    facts = json.loads(detect(0, *options, "--format", "json").stdout)
    found = {(one["phase"], one["statistic"]): one for one in facts["detection"]}
    assert {one["server"] for one in facts["detection"]} == {"imprint"}
    assert found["later rounds", "change"]["auc"] == 1.0
    assert found["later rounds", "change"]["found"] == 1.0
    assert found["later rounds", "change"]["models"] == 8
    assert found["later rounds", "change"]["seeds"] == 9
    assert all(phase == "later rounds" for phase, _ in found)  # the first round of that server is honest
    assert all(0.0 <= one["rate"] <= 1.0 for one in facts["false_alarms"])
    assert facts["seconds"]["weight-watch"] > 0
    left = {one["phase"]: one["share"] for one in facts["recovered"] if one["server"] == "imprint"}
    assert "first round" not in left  # nothing was planted yet, so nothing is read
    assert left["later rounds"] > 0.2
    rows = read_checks(tmp_path / "run" / "checks.jsonl")
    assert {row.round for row in rows if row.crafted} == {2, 3}
    assert {row.seed for row in rows if row.split == "calibration"} == set(range(2, 11))
    assert {row.seed for row in read_federations(tmp_path / "run" / "federations.jsonl")} == {0, 1}

    told = detect(0, *options).stdout
    assert "what servers recover" in told
    assert "honest models" in told
    assert "Weight-watch keeps to its rate" in told or "Weight-watch does not keep to its rate" in told
    refused = detect(2, *options[:3], "--false-alarms", "0.01")
    assert "takes honest rounds of 99 seeds beside the one" in str(refused.exception) + refused.output
