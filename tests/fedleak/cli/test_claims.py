"""Laws of `fedleak claims`: exit status and what is printed."""

import json
from pathlib import Path

import pytest
import typer

from fedleak.cli.claims import command
from fedleak.errors import ConfigError

BROKEN = '[[claims]]\nuse = "LocalDpMod"\nclipping_norm = 1.0\nsensitivity = 1e-4\nepsilon = 10\ndelta = 1e-5\n'


def test_a_broken_claim_ends_with_status_one_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(BROKEN)
    with pytest.raises(typer.Exit) as ended:
        command(path)
    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.exit_code == 1
    assert "Broken: epsilon 10 of a round (delta 1e-05) is claimed, and it is 2.13e+08 at best." in said
    assert "sensitivity is not the norm's" in said


def test_json_has_the_same_and_fields_can_be_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(BROKEN)
    command(path, ["sensitivity=2.0", "epsilon=0.5"], "json")
    facts = json.loads(capsys.readouterr().out)
    assert facts[0]["verdict"] == "holds"
    assert len(facts[0]["figures"]) == 3


def test_a_field_without_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FIELD=VALUE"):
        command(tmp_path, ["rounds"])
