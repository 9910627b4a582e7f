"""Released models and services in a run: killed and resumed alike, logged to the last query, federations shared."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from typer.testing import CliRunner

from fedleak.campaign import federation_job
from fedleak.cli.app import app
from fedleak.experiment.grid import parse_campaign
from fedleak.run import run
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import read_run
from fedleak.serving.log import read_log

pytestmark = pytest.mark.slow

QUERIES = [4, 12, 20]
ROWS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "label": [{"use": "label-only"}],
    "noisy": [{"use": "confidence-noise", "std": 0.1}],
    "five in all": [{"use": "rate-limit", "answers": 5, "per": "all"}],
}
TREE = {
    "name": "two dozen cells",
    "seed": [1, 2],
    "task": "digits-mlp",
    "federation": {"clients": 2, "rounds": 2, "batch_size": 32, "batches": 4, "release": "last"},
    "adversary": {"auxiliary": 64, "lacks": [0, 1], "queries": QUERIES},
    "attacks": [{"use": "confidence-inversion"}],
    "defenses": [{"name": name, "chain": chain} for name, chain in ROWS.items()],
}
CELLS = 2 * len(QUERIES) * len(ROWS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run(parse_campaign(TREE), tmp_path_factory.mktemp("runs") / "whole").folder


def figures(folder: RunFolder) -> list[dict[str, Any]]:
    """`results.jsonl` without what a clock had a hand in."""
    rows = [json.loads(line) for line in folder.results.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_there_is_a_federation_for_each_seed_whatever_its_cells(whole: RunFolder) -> None:
    assert CELLS == 24
    assert len(figures(whole)) == CELLS * 4
    assert len(list((whole.root / "recordings").glob("*/*/round-*/model.json"))) == 2
    assert not list((whole.root / "recordings").rglob("client-*.json"))


def test_every_query_of_a_cell_is_in_its_log_and_none_more(whole: RunFolder) -> None:
    rows = [row for row in read_run(whole.root).rows if row.metric == "recognised"]
    assert len(rows) == CELLS
    for row in rows:
        log, budget = read_log(whole.queries(row)), int(row.setting["adversary.queries"])
        assert len(log) == (min(budget, 5) if row.defense == "five in all" else budget)
        assert log.refused.sum() == 0
        assert log.answers.isfinite().all()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_run_that_is_killed_twice_ends_with_the_same_rows(
    whole: RunFolder, tmp_path: Path, killed: Callable[..., None]
) -> None:
    out = tmp_path / "run"
    for many in (1, 14):
        killed(out, "**/*.queries.json", many, run, parse_campaign(TREE), out)
    assert read_run(out).unfinished > 0
    assert run(parse_campaign(TREE), out).exit_status == 0
    assert figures(RunFolder(out)) == figures(whole)


def test_other_queries_run_no_federation_again(
    whole: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole.root, tmp_path / "run")
    monkeypatch.setattr(federation_job, "run_federation", lambda *_: pytest.fail("a federation was run again"))
    more = {**TREE, "adversary": {**TREE["adversary"], "queries": [4, 24]}, "attacks": [{"use": "boundary-inversion"}]}
    campaign = parse_campaign(more)
    (tmp_path / "run" / "experiment.toml").write_text(tomli_w.dumps(campaign.tree))  # what was asked for before
    assert run(campaign, tmp_path / "run").exit_status == 0


def test_what_was_lost_of_the_truth_of_a_model_is_made_again(tmp_path: Path) -> None:
    one = {**TREE, "seed": 1, "adversary": {**TREE["adversary"], "queries": 4}, "defenses": [{"name": "none"}]}
    whole = run(parse_campaign(one), tmp_path / "run").folder
    before = figures(whole)
    shutil.rmtree(whole.reconstructions)
    (whole.vault("none") / "shares" / "client-0001-round-0001.json").unlink()
    assert run(parse_campaign(one), whole.root).exit_status == 0
    assert figures(whole) == before
    shutil.rmtree(whole.reconstructions)
    shutil.rmtree(whole.vault("none"))
    assert run(parse_campaign(one), whole.root).exit_status == 0
    assert figures(whole) == before


def test_a_policy_fails_the_undefended_run_and_passes_the_label_with_few_queries(tmp_path: Path) -> None:
    training = {"clients": 4, "rounds": 20, "batch_size": 16, "batches": "all", "learning_rate": 0.05, "momentum": 0.9}
    tree = {
        **TREE,
        "federation": {**training, "release": "last"},
        "adversary": {"lacks": [0, 1, 2], "queries": 100},
    }
    policy = tmp_path / "policy.toml"
    policy.write_text('rules = ["recognised.mean <= 0.8"]\n')
    for name, status in (("none", 1), ("label", 0)):
        one = {**tree, "defenses": [{"name": name, "chain": ROWS[name]}]}
        outcome = run(parse_campaign(one), tmp_path / name)
        assert outcome.exit_status == 0
        result = CliRunner().invoke(app, ["check", str(tmp_path / name), "--policy", str(policy)])
        assert result.exit_code == status, result.output
