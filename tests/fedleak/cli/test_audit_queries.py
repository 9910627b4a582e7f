"""`fedleak audit-queries` as people and scripts see it."""

import json

import pytest
import torch
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.randomness import generator
from fedleak.results.row import write_results

pytestmark = pytest.mark.slow  # all are about the traffic of a whole run


def noise(seed):
    return torch.rand(120, 1, 8, 8, generator=generator("noise", seed))


@pytest.fixture(scope="module")
def asked(asked_run):
    return asked_run({"noise": noise}, "audited", chain=({"use": "rate-limit", "answers": 30},), seeds=(1, 2)).folder


def invoke(*arguments):
    return CliRunner().invoke(app, ["audit-queries", *map(str, arguments)], env={"COLUMNS": "80"})


def test_the_table_fits_eighty_columns_and_names_what_is_least_seen(asked):
    result = invoke(asked.root)
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    words = " ".join(result.stdout.split())
    assert "prada" in words
    assert "query-outliers" in words
    assert "No attack stays below all detectors; the least seen is noise (digits-mlp; none)" in words


def test_json_alone_is_on_stdout(asked):
    facts = json.loads(invoke(asked.root, "--format", "json").stdout)
    (one,) = facts["traffic"]
    assert (one["attack"], one["cells"], one["queries"], one["refused"]) == ("noise", 2, 120, 1.0)
    prada, forest = one["detectors"]
    assert (prada["trials"], prada["judges"], prada["longest"]) == (2, "users", 120)
    assert (forest["trials"], forest["tpr_at_1_percent"], forest["auc"]) == (240, 1.0, 1.0)
    assert forest["blocked_after"] == 1
    assert facts["unseen"].startswith("No attack")


def test_a_run_without_a_service_is_one_sentence_and_status_2(asked_run):
    run = asked_run({"silent": lambda seed: torch.empty(0, 1, 8, 8)}, "silent")
    result = invoke(run.folder.root)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "asked a prediction API, so that there is no traffic" in result.stderr


def test_a_damaged_log_is_one_sentence_and_status_2(asked_run):
    run = asked_run({"noise": noise}, "damaged")
    stem = run.folder.queries(run.rows[0])
    stem.with_name(f"{stem.name}.json").write_text("{}")
    result = invoke(run.folder.root)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1


def test_a_log_that_is_gone_is_one_sentence(asked_run):
    run = asked_run({"noise": noise}, "gone")
    write_results(run.folder.results, run.rows)
    run.folder.queries(run.rows[0]).parent.rename(run.folder.root / "elsewhere")
    result = invoke(run.folder.root)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
