"""Cuts in a run: an attack from every seat, resumed alike, rounds that a party leaves told and the others kept."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.experiment.grid import parse_campaign
from fedleak.run import run
from fedleak.runs.folder import RunFolder

pytestmark = pytest.mark.slow

TREE: dict[str, Any] = {
    "name": "three parties",
    "seed": 1,
    "task": "digits-mlp",
    "federation": {
        **{"partition": "columns", "clients": 3, "rounds": 3, "batch_size": 16, "batches": 2, "cut": 4},
        "dropouts": [{"client": 1, "round": 2}],
    },
    "adversary": {"known_labels": 20, "auxiliary": 0},
    "attacks": [{"use": "direct-labels"}],
    "defenses": [{"name": "none"}],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run(parse_campaign(TREE), tmp_path_factory.mktemp("runs") / "whole").folder


def rows(folder: RunFolder) -> list[dict[str, Any]]:
    """`results.jsonl` without what a clock had a hand in."""
    found = [json.loads(line) for line in folder.results.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in found]


def test_every_seat_that_gets_gradients_is_one_of_an_attacker(whole: RunFolder) -> None:
    values = {(row["round"], row["client"]): row["value"] for row in rows(whole)}
    assert set(values) == {(round, who) for round in (1, 2, 3) for who in (1, 2, "relay")}
    assert {value for (round, _), value in values.items() if round != 2} == {1.0}


def test_what_is_lost_with_a_party_says_why(whole: RunFolder) -> None:
    lost = [row for row in rows(whole) if row["round"] == 2]
    assert all(row["value"] is None for row in lost)
    assert next(row for row in lost if row["client"] == 1)["reason"].startswith("Dropout")


def test_it_goes_on_where_it_was(whole: RunFolder, tmp_path: Path) -> None:
    """A cell that is gone is attacked again, and the federation is not run again."""
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(whole.root, copy.root)
    for cell in (copy.root / "reconstructions").rglob("direct-labels*"):
        cell.unlink()
    before = {path: path.stat().st_mtime_ns for path in (copy.root / "recordings").rglob("*.lines")}
    run(parse_campaign(TREE), copy.root)
    assert rows(copy) == rows(whole)
    assert before == {path: path.stat().st_mtime_ns for path in (copy.root / "recordings").rglob("*.lines")}


def test_columns_that_are_lost_are_made_again(whole: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(tmp_path / "copy")
    shutil.copytree(whole.root, copy.root)
    path = copy.recordings("none") / "columns-0002.safetensors"
    path.unlink()
    shutil.rmtree(copy.reconstructions)
    run(parse_campaign(TREE), copy.root)
    assert path.exists()
    assert rows(copy) == rows(whole)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"attacks": [{"use": "inverting-gradients"}]}, "attacks.0: inverting-gradients looks at what clients with"),
        ({"federation": {"clients": 3}}, "attacks.0: direct-labels looks at what crosses a network that is cut"),
        ({"federation": {"clients": 2}, "attacks": [{"use": "dlg"}]}, "adversary.known_labels: expected none beside"),
    ],
)
def test_an_attack_on_cuts_is_for_columns_alone(tmp_path: Path, changed: dict[str, Any], sentence: str) -> None:
    tree = {**TREE, **changed}
    if "federation" in changed and "attacks" not in changed:
        tree = {**tree, "adversary": {}}
    path = tmp_path / "wrong.toml"
    path.write_text(tomli_w.dumps(tree))
    said = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out")])
    assert said.exit_code == 2
    assert sentence in " ".join(said.output.split())


def test_a_diary_is_attacked_on_its_own(whole: RunFolder) -> None:
    diary = next((whole.root / "recordings").rglob("round-0001/relay.json"))
    said = CliRunner().invoke(app, ["attack", str(diary), "--use", "direct-labels", "--auxiliary", "0"])
    assert said.exit_code == 0
    assert "column-accuracy   1 share of rows" in said.output
    for wrong, sentence in (
        (["--use", "dlg"], "dlg looks at updates"),
        (["--use", "dlg", "--known-labels", "3"], "dlg is no attack on split training"),
    ):
        said = CliRunner().invoke(app, ["attack", str(diary), *wrong])
        assert said.exit_code == 2
        assert sentence in " ".join(said.output.split())


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"attacks": [{"use": "passive-labels", "steps": 0}]}, "steps: expected greater than or equal to 1, got 0"),
        ({"attacks": [{"use": "passive-labels", "batch": 1}]}, "batch: expected greater than or equal to 2, got 1"),
        ({"adversary": {"known_labels": 5000, "auxiliary": 0}}, "the parties have 1079 rows, got 5000; lower it"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_trained(tmp_path: Path, changed: Any, sentence: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(tomli_w.dumps({**TREE, **changed}))
    said = CliRunner().invoke(app, ["run", str(path), "--out", str(tmp_path / "out")])
    assert said.exit_code == 2, said.output
    assert sentence in " ".join(said.output.split())


def test_the_active_party_is_asked_for_no_labels_and_a_seat_must_fit(whole: RunFolder) -> None:
    diary = next((whole.root / "recordings").rglob("round-0001/active.json"))
    said = CliRunner().invoke(app, ["attack", str(diary), "--use", "direct-labels"])
    assert said.exit_code == 2
    assert "direct-labels is run from the seat of passive or relay, and this is the diary of active" in " ".join(
        said.output.split()
    )
