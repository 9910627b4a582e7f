"""`fedleak doctor` as people and scripts see it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli import doctor
from fedleak.cli.app import app
from fedleak.doctor.check import Check

CHECKS = [
    Check(topic="needed", what="Python", state="ok", found="3.11"),
    Check(
        topic="data",
        what="cifar10",
        state="note",
        found="no files",
        remedy="unpack https://example.org/a/very/long" * 4,
    ),
    Check(topic="data", what="digits", state="missing", found="found [none]", remedy="install scikit-learn"),
]


def run(monkeypatch: pytest.MonkeyPatch, checks: list[Check], *options: str) -> tuple[int, str]:
    monkeypatch.setattr(doctor, "examine", lambda runs: checks)
    result = CliRunner().invoke(app, ["doctor", *options], env={"COLUMNS": "80"})
    return result.exit_code, result.stdout


def test_the_table_fits_eighty_columns_and_keeps_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    status, printed = run(monkeypatch, CHECKS)
    assert status == 1
    assert max(map(len, printed.splitlines())) <= 80
    assert "found [none]" in printed
    assert printed.replace("\n", "").replace(" ", "").count("https://example.org/a/very/long") == 4
    assert printed.splitlines()[-1] == "missing and needed: digits"


def test_nothing_missing_is_success(monkeypatch: pytest.MonkeyPatch) -> None:
    status, printed = run(monkeypatch, CHECKS[:2])
    assert status == 0
    assert "fedleak demo" in printed


def test_json_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    status, printed = run(monkeypatch, CHECKS, "--json")
    assert status == 1
    assert [Check(**facts) for facts in json.loads(printed)] == CHECKS


@pytest.mark.slow
def test_this_machine_can_run_fedleak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert list(tmp_path.iterdir()) == []
