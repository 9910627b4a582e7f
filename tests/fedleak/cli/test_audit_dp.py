"""`fedleak audit-dp` as people and scripts see it."""

import json

import pytest
import tomli_w
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.results.dp_row import read_dp_rows

LOCAL = {"use": "local-dp", "epsilon": 4.0, "delta": 1e-5, "max_norm": 1.0}


@pytest.fixture
def experiment(tmp_path):
    def write(*chain, **federation):
        path = tmp_path / "experiment.toml"
        table = {"clients": 20, "rounds": 2, **federation}
        defenses = [{"name": "none"}, {"name": "noised", "chain": list(chain)}]
        facts = {"name": "dp", "task": "diabetes-mlp", "attacks": [], "federation": table, "defenses": defenses}
        path.write_text(tomli_w.dumps(facts))
        return path

    return write


def invoke(*arguments):
    return CliRunner().invoke(app, ["audit-dp", *map(str, arguments)], env={"COLUMNS": "80"})


def test_a_chain_that_holds_ends_with_status_0_and_leaves_rows_and_a_picture(experiment, tmp_path):
    result = invoke(experiment({"use": "dp-sgd", "epsilon": 8.0, "delta": 1e-5}), "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    words = " ".join(result.stdout.split())
    assert "noised: holds: measured" in words
    assert "an ideal attacker would show" in words
    (row,) = read_dp_rows(tmp_path / "out" / "dp-audit.jsonl")
    assert row.verdict == "holds"
    assert (tmp_path / "out" / "dp-audit.png").read_bytes().startswith(b"\x89PNG")


def test_json_alone_is_on_stdout(experiment, tmp_path):
    result = invoke(experiment({"use": "clipping", "max_norm": 1.0}), "--out", tmp_path / "out", "--format", "json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["dp_audit"][0]["verdict"] == "no claim"
    assert facts["picture"] is None


@pytest.mark.parametrize(
    ("chain", "options", "sentence"),
    [
        ([{"use": "dp-sgd", "epsilon": 4.0}], [], "epsilon = 4 means nothing without delta"),
        ([{**LOCAL, "max_norm": 0.0}], [], "greater than 0"),
        ([LOCAL], ["--canaries", "21"], "at most as many canaries as clients"),
        ([], [], "no chain of the experiment has a defense"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(experiment, tmp_path, chain, options, sentence):
    result = invoke(experiment(*chain), *options, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert sentence in result.stderr
    assert not (tmp_path / "out").exists()
