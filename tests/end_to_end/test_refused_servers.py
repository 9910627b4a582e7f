"""A policy about a server: broken where its loot comes out of the sum, kept where clients refuse what it sends."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.experiment.grid import parse_campaign
from fedleak.run import run

TREE: dict[str, Any] = {
    "name": "an imprint",
    "task": "digits-mlp",
    "metrics": ["psnr"],
    "federation": {"clients": 3, "batch_size": 2},
    "servers": [{"name": "imprint", "chain": [{"use": "imprint", "bins": 256}]}],
    "attacks": [{"use": "imprint-readout"}, {"use": "prior"}],
}
SUM = {"use": "secure-aggregation"}


@pytest.mark.slow
def test_a_round_that_clients_left_as_planned_was_not_refused_whatever_checks_reported(tmp_path: Path) -> None:
    leaving = [{"client": client, "round": 1} for client in (0, 1)]
    tree = {**TREE, "federation": {**TREE["federation"], "dropouts": leaving}, "attacks": [{"use": "prior"}]}
    chain = [{"use": "weight-watch", "on_alarm": "report"}, SUM]
    outcome = run(parse_campaign({**tree, "defenses": [{"name": "summed", "chain": chain}]}), tmp_path / "run")
    [played] = outcome.analysis.federations
    assert (played.lost, played.alarms, played.refused, played.failures) == (True, 1, 0, 2)
    assert played.manipulated
    policy = tmp_path / "policy.toml"
    policy.write_text("""rules = ['psnr.share(40) < .05 where sender = "aggregate"']
""")
    result = CliRunner().invoke(app, ["check", str(outcome.folder.root), "--policy", str(policy)])
    assert result.exit_code == 1, result.output
    assert "clients refused" not in " ".join(result.output.split())
    assert "clients refused" not in outcome.folder.report.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("chain", "status"), [([SUM], 1), ([{"use": "weight-watch"}, SUM], 0)], ids=["sum", "watched"])
def test_a_rule_about_a_server_fails_undefended_and_holds_where_clients_refuse(
    tmp_path: Path, chain: list[dict[str, Any]], status: int
) -> None:
    outcome = run(parse_campaign({**TREE, "defenses": [{"name": "summed", "chain": chain}]}), tmp_path / "run")
    policy = tmp_path / "policy.toml"
    lines = (
        'psnr.share(40) < .05 where server = "imprint" and sender = "aggregate"',
        'share-at-40dB.worst < .05 where server = "imprint"',
    )
    policy.write_text(f"rules = {list(lines)}\n")
    result = CliRunner().invoke(app, ["check", str(outcome.folder.root), "--policy", str(policy), "--format", "json"])
    assert result.exit_code == status, result.output
    said = result.output
    assert [rule["passed"] for rule in json.loads(said)["rules"]] == [status == 0] * 2
    assert ("clients refused what the server sent, and nothing was left to attack" in said) == (status == 0)
    report = outcome.folder.report.read_text(encoding="utf-8")
    seen = "clients refused the model (3 refusals); seen by weight-watch at 3 of 3 clients"
    assert (seen in report) == (status == 0)
    assert ("exactly through the sum over 3 clients (imprint-readout)" in report) == (status == 1)
    asked = ["advise", str(outcome.folder.root), "--max-leak", "40dB", "--servers"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == status, told.output
    words = " ".join(told.output.split())
    assert ("broken by imprint: " in words) == (status == 1)
    assert ("nothing for imprint as nobody trained: 1 of 1 round lost, as clients refused" in words) == (status == 0)
    facts = json.loads(CliRunner().invoke(app, [*asked, "--format", "json"]).stdout)
    [cell], [defense] = facts["cells"], facts["defenses"]
    assert (cell["server"], cell["verdict"]) == ("imprint", ["refused", "broken"][status])
    assert (defense["recommended"], defense["by_refusing"]) == (status == 0, ["imprint"] * (status == 0))
    assert any("no server of this run did" in gap["title"] for gap in facts["not_tried"])


@pytest.mark.slow
@pytest.mark.parametrize(("chain", "status"), [([SUM], 1), ([{"use": "model-consistency"}, SUM], 0)])
def test_several_models_under_bound_masks_are_told_as_refused_by_the_check_that_saw_them(
    tmp_path: Path, chain: list[dict[str, Any]], status: int
) -> None:
    tree = {
        **TREE,
        "servers": [{"name": "several", "chain": [{"use": "inconsistency", "victim": 0}]}],
        "attacks": [{"use": "isolated", "attack": {"use": "analytic-linear"}}],
        "defenses": [{"name": "summed", "chain": chain}],
    }
    outcome = run(parse_campaign(tree), tmp_path / "run")
    assert outcome.exit_status == status, outcome.problems
    policy = tmp_path / "policy.toml"
    policy.write_text("""rules = ['psnr.share(40) < .05 where server = "several" and sender = "aggregate"']\n""")
    result = CliRunner().invoke(app, ["check", str(outcome.folder.root), "--policy", str(policy)])
    assert result.exit_code == status, result.output
    report = outcome.folder.report.read_text(encoding="utf-8")
    told = "clients refused the model (3 refusals); seen by model-consistency at 3 of 3 clients"
    assert (told in report) == (status == 0)
    assert any("must sign what it states" in problem for problem in outcome.problems) == (status == 1)


@pytest.mark.slow
def test_what_reads_a_planted_layer_is_missed_neither_under_an_honest_server_nor_before_another_begins(
    tmp_path: Path,
) -> None:
    tree = {
        **TREE,
        "federation": {**TREE["federation"], "rounds": 2},
        "servers": [{"name": "honest"}, {**TREE["servers"][0], "begins": 2}],
        "attacks": [{"use": "imprint-readout"}],
        "defenses": [{"name": "summed", "chain": [{"use": "weight-watch"}, SUM]}],
    }
    outcome = run(parse_campaign(tree), tmp_path / "run")
    assert {(row.server, row.round) for row in outcome.rows} == {("imprint", 2)}
    policy = tmp_path / "policy.toml"
    policy.write_text("""rules = ['share-at-40dB.worst < .05 where server = "imprint"']\n""")
    result = CliRunner().invoke(app, ["check", str(outcome.folder.root), "--policy", str(policy)])
    assert result.exit_code == 0, result.output
    told = CliRunner().invoke(app, ["advise", str(outcome.folder.root), "--max-leak", "40dB", "--servers"])
    assert told.exit_code == 1, told.output
    words = " ".join(told.output.split())
    assert "not shown against honest: no attack looked at what it was sent" in words
    assert "nothing for imprint as nobody trained: 1 of 1 round lost" in words
