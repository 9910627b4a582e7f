"""Images that the client app wrote into a model come back, under secure aggregation too; a clean twin runs beside."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.experiment.grid import parse_campaign
from fedleak.results.federation_row import read_federations
from fedleak.results.row import Row
from fedleak.run import run
from fedleak.verification.verify import verify

TREE: dict[str, Any] = {
    "name": "what the vendor's client app took along",
    "seed": 1,
    "task": "digits-mlp",
    "federation": {
        "clients": 2,
        "rounds": 2,
        "examples": 40,
        "batch_size": 20,
        "batches": "all",
        "release": "last",
        "fraction_evaluate": 1.0,
    },
    "adversary": {"does": [{"use": "lsb-encoding", "images": 6, "bits": [8, 12]}]},
    "attacks": [{"use": "lsb-decoding"}],
    "metrics": ["payload-images", "payload-bits", "payload-mae"],
    "defenses": [
        {"name": "none"},
        {"name": "summed", "chain": [{"use": "secure-aggregation"}]},
        {"name": "rounded", "chain": [{"use": "round-weights", "mantissa": 8}]},
    ],
}


@pytest.mark.slow
def test_hidden_images_come_back_beside_a_clean_twin(tmp_path: Path) -> None:
    outcome = run(parse_campaign(TREE), tmp_path / "run")
    assert outcome.problems == ()
    rows: dict[tuple[str, str, int], Row] = {
        (row.metric, row.defense, int(row.setting["adversary.does.0.bits"])): row for row in outcome.rows
    }
    for bits in (8, 12):
        for defense, back in (("none", 1.0), ("summed", 1.0), ("rounded", 0.0)):
            images, read = rows["payload-images", defense, bits], rows["payload-bits", defense, bits]
            assert images.per_sample == (back,) * 12
            assert images.no_access == 0.0
            assert read.no_access == pytest.approx(0.5, abs=0.05)
            assert read.value == (1.0 if back else pytest.approx(0.5, abs=0.1))
        assert rows["payload-mae", "none", bits].value <= 0.5
    names = sorted(path.name for path in (tmp_path / "run" / "recordings").iterdir())
    assert names == ["bits=12", "bits=8", "untampered"], "one twin for all tampering of the same settings"
    federations = read_federations(outcome.folder.federations)
    assert all(0 < row.clean_accuracy < 1 for row in federations)
    assert len({row.clean_accuracy for row in federations if row.defense == "none" and row.round == 2}) == 1
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "whoever wrote the client app" in page
    assert "one of clean code about" in page
    assert {check.verdict for check in verify(tmp_path / "run")} == {"released"}

    again = run(parse_campaign(TREE), tmp_path / "run")
    assert [row.value for row in again.rows] == [row.value for row in outcome.rows]

    model = tmp_path / "run" / "recordings" / "bits=12" / "none" / "round-0002" / "model.json"
    said = CliRunner().invoke(app, ["attack", str(model), "--use", "lsb-decoding", "--out", str(tmp_path / "x.png")])
    assert said.exit_code == 0, said.output
    assert "payload-images" in said.output
    assert "0 of 4 blocks have more errors" in " ".join(said.output.split())


@pytest.mark.slow
def test_a_tampered_update_follows_from_what_its_client_held(tmp_path: Path) -> None:
    recorded = {**TREE, "adversary": {"does": [{"use": "lsb-encoding", "images": 6}]}, "attacks": []}
    assert run(parse_campaign(recorded), tmp_path / "run").problems == ()
    assert {check.verdict for check in verify(tmp_path / "run")} == {"agrees", "released", "masked"}


@pytest.mark.slow
def test_labels_leak_without_tampering_too_so_that_own_columns_stand_beside_them(tmp_path: Path) -> None:
    split = {"partition": "columns", "clients": 2, "columns": "halves", "cut": 3, "batch_size": 16, "batches": 4}
    adversary = {"known_labels": 40, "auxiliary": 0, "does": [{"use": "malicious-optimizer"}]}
    asked = [{"use": "active-labels", "steps": 2}, {"use": "passive-labels", "steps": 2}]
    tree = {**TREE, "federation": split, "adversary": adversary, "attacks": asked, "metrics": ["column-accuracy"]}
    active, passive = run(parse_campaign({**tree, "defenses": [{"name": "none"}]}), tmp_path / "run").rows
    assert active.no_access_per_sample == passive.no_access_per_sample
    assert active.no_access > 0.5, "what half an image and 40 labels say"


@pytest.mark.slow
def test_what_was_hidden_is_made_again_where_it_is_lost(tmp_path: Path) -> None:
    one = {**TREE, "adversary": {"does": [{"use": "lsb-encoding", "images": 6}]}, "defenses": [{"name": "none"}]}
    before = run(parse_campaign(one), tmp_path / "run")
    assert before.rows[0].value == 1.0
    shutil.rmtree(before.folder.reconstructions)
    shutil.rmtree(before.folder.vault("none") / "hidden")
    after = run(parse_campaign(one), tmp_path / "run")
    assert [row.value for row in after.rows] == [row.value for row in before.rows]
