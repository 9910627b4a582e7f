"""A planted layer gives back images from the sum over clients, in the real federation and through the real protocol."""

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
        assert "planted nothing yet" in rows[server, 1].reason
        certified = cell_file.load(outcome.folder.cell(row)).guess.certified
        assert exact - 2 <= certified.sum() <= exact
    assert {check.verdict for check in verify(tmp_path / "run")} == {"agrees", "masked"}

    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    judged = CliRunner().invoke(app, ["check", str(tmp_path / "run"), "--policy", str(policy)])
    assert judged.exit_code == 1, judged.output
    assert "psnr.share(40)" in judged.output
