"""A user's table goes from its file to a report that says rows in words, and what is wrong with it is one sentence."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.results.row import read_results

EXPERIMENT = """
name = "patients"
metrics = ["mse", "psnr", "ssim"]

[task]
data = "csv:{file}"
network = "mlp"
data_options = {{ label = "ill", ignore = ["id"] }}

[federation]
clients = 2
skew = {{ property = "{skew}", share = 0.25 }}

[[attacks]]
use = "analytic-linear"

[[attacks]]
use = "april"
"""


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    rows = [f"{row},{20 + row},{'Ulm' if row % 3 else ''},{'no' if row % 2 else 'yes'}" for row in range(80)]
    (tmp_path / "patients.csv").write_text("\n".join(["id,age,town,ill", *rows]) + "\n")
    return tmp_path


def run(folder: Path, skew: str):
    file = folder / "patients.toml"
    file.write_text(EXPERIMENT.format(file=folder / "patients.csv", skew=skew))
    return CliRunner().invoke(app, ["run", str(file), "--out", str(folder / "run")])


def test_rows_are_rebuilt_scored_and_said_in_words(patients: Path) -> None:
    said = run(patients, "town=?")
    assert said.exit_code == 0, said.output
    rows = list(read_results(patients / "run" / "results.jsonl"))
    values = {(row.attack, row.metric): row.value for row in rows}
    assert values["analytic-linear", "mse"] < 1e-6
    assert values["analytic-linear", "psnr"] > 60
    reasons = {(row.attack, row.metric): row.reason for row in rows}
    assert reasons["analytic-linear", "ssim"] == "SSIM is for images, and the examples are rows of 2 columns"
    assert reasons["april", "mse"] == "APRIL is for images, and the examples are rows of 2 columns"
    report = (patients / "run" / "report.html").read_text(encoding="utf-8")
    assert '<th scope="row">town</th>' in report
    assert (patients / "run" / "gallery.png").is_file()


def test_a_property_that_no_row_has_ends_with_status_2(patients: Path) -> None:
    said = run(patients, "town=Bonn")
    assert said.exit_code == 2
    assert "column 'town' has no category 'Bonn'" in said.output
