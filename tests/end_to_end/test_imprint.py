"""A planted layer gives back images from the sum over clients, in the real federation and through the real protocol."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.experiment.grid import parse_campaign
from fedleak.run import run
from fedleak.runs import cell_file
from fedleak.statistics.singletons import most_singletons
from fedleak.verification.verify import verify

TREE: dict[str, Any] = {
    "name": "a server that plants a layer",
    "seed": 0,
    "task": "digits-mlp",
    "federation": {"clients": 4, "rounds": 2, "batch_size": 4},
    "servers": [
        {"name": "imprint", "chain": [{"use": "imprint", "bins": 256}], "begins": 2},
        {
            "name": "stealthy",
            "chain": [{"use": "stealthy", "manipulation": {"use": "imprint", "bins": 256}}],
            "begins": 2,
        },
        {"name": "by-weights", "chain": [{"use": "imprint", "form": "weights", "bins": 64}], "begins": 2},
    ],
    "attacks": [{"use": "imprint-readout"}],
    "metrics": ["psnr"],
    "defenses": [{"name": "summed", "chain": [{"use": "secure-aggregation"}]}],
}
EXACT = 40.0
POLICY = "rules = ['psnr.share(40) < .05 where server = \"imprint\"']\n"


@pytest.mark.slow
def test_images_come_back_from_the_sum_and_the_gate_says_so(tmp_path: Path) -> None:
    outcome = run(parse_campaign(TREE), tmp_path / "run")
    assert outcome.problems == ()
    rows = {(row.server, row.round): row for row in outcome.rows if row.client == "aggregate"}
    for server, least, bins in (("imprint", 11, 256), ("stealthy", 11, 256), ("by-weights", 7, 64)):
        row = rows[server, 2]
        exact = sum(value >= EXACT for value in row.per_sample)
        assert len(row.per_sample) == 16
        assert least <= exact <= most_singletons(16, bins)
        assert (server, 1) not in rows, "nothing is planted yet, so there is nothing to read"
        certified = cell_file.load(outcome.folder.cell(row)).guess.certified
        assert exact - 2 <= certified.sum() <= exact
    assert {check.verdict for check in verify(tmp_path / "run")} == {"agrees", "masked"}

    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    judged = CliRunner().invoke(app, ["check", str(tmp_path / "run"), "--policy", str(policy)])
    assert judged.exit_code == 1, judged.output
    assert "psnr.share(40)" in judged.output


@pytest.mark.slow
def test_a_result_that_is_too_good_ends_a_run_and_fails_a_check(tmp_path: Path) -> None:
    """Of six images in four bins at most four come back; six that are planted in a cell's file are not believed."""
    server = {"name": "imprint", "chain": [{"use": "imprint", "bins": 4}]}
    campaign = parse_campaign({**TREE, "federation": {"clients": 3, "batch_size": 2}, "servers": [server]})
    outcome = run(campaign, tmp_path / "run")
    assert (outcome.exit_status, outcome.problems) == (0, ())
    row = next(row for row in outcome.rows if row.client == "aggregate")
    saved = cell_file.load(outcome.folder.cell(row))
    planted = replace(row, per_sample=(60.0,) * 6, value=60.0, best=60.0, worst=60.0)
    cell_file.save(outcome.folder.cell(row), replace(saved, rows=(planted,)))

    again = run(campaign, tmp_path / "run")
    assert again.exit_status == 1
    [problem] = again.problems
    assert "imprint-readout on the sum under summed (digits-mlp, server=imprint), round 1" in problem
    assert "wrong, or the truth leaked to the attack: 6 of 6 images came back exactly" in problem
    policy = tmp_path / "policy.toml"
    policy.write_text("rules = ['psnr > 0']\n")
    judged = CliRunner().invoke(app, ["check", str(tmp_path / "run"), "--policy", str(policy)])
    assert judged.exit_code == 1
    assert "6 of 6 images came back exactly" in " ".join(judged.output.split())
