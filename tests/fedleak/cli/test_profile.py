"""`fedleak profile` as people and scripts see it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fedleak.cli.app import app
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["profile", *arguments], env={"COLUMNS": "80"})


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    plan = FederationPlan(
        task="digits-mlp",
        recordings=str(folder / "recordings" / "none"),
        vault=str(folder / "vault" / "none"),
    )
    run_federation(plan)
    return folder


@pytest.mark.slow
def test_a_task_s_profile_fits_eighty_columns_and_says_whose_view_it_is() -> None:
    result = invoke("digits-mlp", "--batch", "4")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "the defender's view" in result.stdout
    assert "has rank 4 = the batch: exact attacks apply" in " ".join(result.stdout.split()).replace("reachable ", "")
    assert "of a random batch" in result.stdout


@pytest.mark.slow
def test_json_alone_is_on_stdout(tmp_path: Path) -> None:
    result = invoke("digits-mlp", "--batch", "2", "--json", "--png", str(tmp_path / "a.png"))
    facts = json.loads(result.stdout)
    assert facts["examples"] == 2
    assert facts["inside"]["jacobian"]["carried"]["about"] == 128
    assert facts["layers"][0]["rank"] == 2
    assert (tmp_path / "a.png").exists()


@pytest.mark.slow
def test_json_has_two_spellings() -> None:
    said = [invoke("digits-mlp", *words).stdout for words in (["--json"], ["--format", "json"])]
    assert list(json.loads(said[0])) == list(json.loads(said[1])) == [
        "title", "examples", "clients", "local_steps", "update_is", "rank_limit", "parameters", "pixels", "layers",
        "batch_norm", "inside", "verdict",
    ]  # fmt: skip


@pytest.mark.slow
def test_noise_is_in_the_update_that_is_profiled() -> None:
    facts = json.loads(invoke("digits-mlp", "--noise", "1", "--json").stdout)
    assert facts["inside"]["jacobian"]["carried"]["about"] == 0
    assert facts["inside"]["floor"]["noise"] == pytest.approx(10.0)
    assert facts["layers"][0]["rank"] == 64


def test_a_recording_is_profiled_with_the_vault_beside_it_and_without(run_folder: Path) -> None:
    recording = run_folder / "recordings" / "none" / "round-0001" / "client-0001.safetensors"
    assert json.loads(invoke(str(recording), "--json").stdout)["inside"] is not None
    (run_folder / "vault").rename(run_folder / "safe")
    try:
        result = invoke(str(recording))
    finally:
        (run_folder / "safe").rename(run_folder / "vault")
    assert result.exit_code == 0, result.output
    assert "without the vault beside the recording" in result.stdout
    assert "exact attacks apply" in " ".join(result.stdout.split())


@pytest.mark.slow
def test_an_experiment_file_s_first_task_is_profiled(tmp_path: Path) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text('name = "mine"\n[task]\ndata = "digits"\nnetwork = "mlp"\n[[attacks]]\nuse = "analytic-linear"\n')
    facts = json.loads(invoke(str(file), "--json").stdout)
    assert facts["title"] == "digits-mlp, untrained weights, batch of 1, client 0 of seed 0"
    assert facts["layers"][0]["rank"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["digits-mpl"], "task: no task is called 'digits-mpl'; did you mean 'digits-mlp'?"),
        (["digits-mlp", "--png", "a.jpg"], "--png: expected the name of a .png file, got a.jpg"),
        (["tests"], "tests is no run folder"),
        (["nowhere.json"], "nowhere.json"),
    ],
)
def test_what_cannot_be_profiled_is_one_sentence(arguments: list[str], sentence: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr.splitlines()[-1]


def test_parties_that_hold_columns_send_no_update_to_profile(tmp_path: Path) -> None:
    path = tmp_path / "columns.toml"
    path.write_text('name = "cut"\ntask = "digits-mlp"\n[federation]\npartition = "columns"\nclients = 2\n')
    result = invoke(str(path))
    assert result.exit_code == 2
    assert "send no updates" in " ".join(result.output.split())
