"""`fedleak audit` on apps as people write them: read back, understood to the bit, left as they are; or one sentence."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedleak.audit.answers import read_answers
from fedleak.audit.app import digest, read_app
from fedleak.audit.fitting import fitting
from fedleak.audit.run import audit
from fedleak.audit.settings import AuditSettings
from fedleak.cli.app import app
from fedleak.errors import ConfigError
from fedleak.gate.audits import vocabulary_of
from fedleak.gate.policy import load_policy
from fedleak.gate.validation import validate
from fedleak.testing.pytest_fixture import Fedleak

APPS = Path(__file__).resolve().parents[1] / "apps"


def audited(status: int, *arguments: str) -> Result:
    result = CliRunner().invoke(app, ["audit", *arguments])
    assert result.exit_code == status, result.output
    return result


def facts_of(name: str, out: Path, attack: str = "dlg", *more: str) -> dict:
    before = digest(APPS / name)
    told = audited(0, str(APPS / name), "--out", str(out), "--attack", attack, "--format", "json", *more).stdout
    assert digest(APPS / name) == before
    return json.loads(told)


@pytest.mark.slow
def test_one_photo_of_an_app_comes_back(tmp_path: Path) -> None:
    facts = facts_of("numpyclient", tmp_path)
    assert [one["verdict"] for one in facts["updates"]] == ["understood"] * 2
    assert [one["replay_apart"] for one in facts["updates"]] == [0.0, 0.0]
    (read,) = facts["attacks"]
    assert read["psnr"] > 40
    assert read["prior"] < 20
    picture = tmp_path / f"client-{read['client']}.png"
    assert picture.exists()
    assert (tmp_path / "report.html").read_text().count("data:image/png") == 2
    (tmp_path / "policy.toml").write_text("rules = ['psnr.max < 20', 'label-recall.mean < 2']")
    checked = CliRunner().invoke(app, ["check", str(tmp_path), "--policy", str(tmp_path / "policy.toml")])
    assert checked.exit_code == 1, checked.output
    assert f"picture {picture}" in checked.stdout
    assert "1 of 2 rules broken" in checked.stdout


@pytest.mark.slow
def test_epochs_momentum_and_batchnorm_are_understood_down_to_one_image_and_become_a_task(tmp_path: Path) -> None:
    facts = facts_of("batchnorm", tmp_path, "analytic-linear")
    assert {one["verdict"] for one in facts["updates"]} == {"understood"}
    assert {one["replay_apart"] for one in facts["updates"]} == {0.0}
    assert [one["rung"] for one in facts["attacks"]] == ["as it is", "one epoch", "one step", "one image"]
    trial = [
        str(tmp_path / "experiment.toml"),
        "--out",
        str(tmp_path / "run"),
        "--set",
        "attacks=[{use='prior'}]",
    ]
    done = subprocess.run([sys.executable, "-m", "fedleak", "run", *trial], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = json.loads((tmp_path / "run" / "results.jsonl").read_text().splitlines()[0])
    assert row["task"] == "batchnorm"
    found = {fact["what"]: fact["found"] for fact in facts["updates"][0]["facts"]}
    assert found["steps"] == "6 over batches of 4"
    assert found["optimizer"] == "SGD (lr 0.01, momentum 0.9)"


@pytest.mark.slow
@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_flower_s_simulation_shows_what_one_process_shows_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Batches in an order that is drawn, BatchNorm and momentum: to the last bit, but for seconds."""

    def found(engine: str) -> dict:
        facts = facts_of("batchnorm", tmp_path / engine, "analytic-linear", "--engine", engine)
        return {**facts, "attacks": [{**one, "seconds": 0} for one in facts["attacks"]]}

    before = left_by_an_audit()
    assert found("loopback") == found("simulation")
    assert left_by_an_audit() <= before
    assert (tmp_path / "simulation").stat().st_mode & 0o77 == 0


def left_by_an_audit() -> set[str]:
    """Processes of Flower and Ray, and private folders."""
    running = subprocess.run(["ps", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(maxsplit=2) for line in running.splitlines()]
    programs = ("raylet", "gcs_server", "flower-super", "flwr-simulation", "ray::")
    found = {pid for pid, state, *command in lines if state[0] != "Z" and any(one in str(command) for one in programs)}
    return found | {str(path) for path in Path(tempfile.gettempdir()).glob("fedleak-*")}


@pytest.mark.slow
def test_a_test_can_fail_on_what_comes_back(tmp_path: Path) -> None:
    found = Fedleak(tmp_path, tmp_path, "test").audit(APPS / "messages", attacks=("dlg",), run_config=["data-seed=1"])
    assert found.understood
    assert found.leaked == 1
    assert found.psnr > 30
    assert "1 of 1 come back" in str(found)


@pytest.mark.slow
def test_adam_is_understood(tmp_path: Path) -> None:
    facts = facts_of("adam", tmp_path, "analytic-linear")
    assert {one["replay_apart"] for one in facts["updates"]} == {0.0}


@pytest.mark.slow
def test_flower_s_noise_is_told_from_training_and_taken_away_on_the_ladder(tmp_path: Path) -> None:
    facts = facts_of("localdp", tmp_path)
    assert {one["verdict"] for one in facts["updates"]} == {"understood but for noise"}
    read = {one["rung"]: one for one in facts["attacks"]}
    assert read["as it is"]["leaked"] == 0
    assert read["without its mods"]["psnr"] > 40


@pytest.mark.slow
def test_the_commands_of_the_documentation_do_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those on the apps of a clone; the facts that it shows are those that an audit takes."""
    root = APPS.parents[1]
    text = (root / "docs" / "audit.md").read_text()
    commands = [line.split()[2:] for line in text.splitlines() if line.startswith("fedleak audit tests/apps/")]
    assert len(commands) == 2
    monkeypatch.chdir(root)
    for number, arguments in enumerate(commands):
        arguments[arguments.index("--out") + 1] = str(tmp_path / str(number))
        assert "1 of 1 come back" in audited(0, *arguments).stdout
    facts, policy = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "FACTS.toml").write_text(facts)
    assert set(read_answers(tmp_path / "FACTS.toml")) == {"loss", "normalize", "training"}
    (tmp_path / "policy.toml").write_text(policy)
    validate(load_policy(tmp_path / "policy.toml"), vocabulary_of("mine", fitting()))


def changed(tmp_path: Path, name: str, file: str, old: str, new: str) -> AuditSettings:
    """An audit of a copy of an app with a fault."""
    shutil.copytree(APPS / name, tmp_path / "app")
    path = tmp_path / "app" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    found = read_app(tmp_path / "app")
    return AuditSettings(
        folder=found.folder, name=found.name, server=found.server, client=found.client, config=found.config,
        node_config={}, attacks=("analytic-linear",), out=tmp_path / "out",
    )  # fmt: skip


FAULTS = {
    "AttributeError: module 'client' has no attribute 'program'": ("pyproject.toml", "client:app", "client:program"),
    "cannot be imported: ModuleNotFoundError: No module named 'nowhere'": (
        "task.py",
        "import torch\n",
        "import torch\nimport nowhere\n",
    ),
    "give it with --node-config dataset-path=VALUE": ("client.py", '"partition-id"', '"dataset-path"'),
    "the first: client": ("client.py", "net = Net()", "net = Net(width=3)"),
    "the ServerApp stopped: ZeroDivisionError": ("server.py", "FedAvg(fraction", "1 / 0\n    FedAvg(fraction"),
    "nobody was asked to train": ("server.py", "fraction_evaluate=0.0", "fraction_train=0.0"),
    "files of the app are others than before: it writes into its own folder": (
        "client.py",
        "net = Net()",
        "net = Net()\n    open(__file__ + '.log', 'w').close()",
    ),
    "the app's process ended without a word": ("client.py", "net = Net()", "import os\n    os._exit(1)"),
    "nothing happened for 15 s while it was at: round 1: client": (
        "client.py",
        "net = Net()",
        "import time\n    time.sleep(999)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("words", FAULTS)
def test_a_fault_of_the_app_is_one_sentence_and_nothing_is_left_running(tmp_path: Path, words: str) -> None:
    settings = changed(tmp_path, "batchnorm", *FAULTS[words])
    with pytest.raises(ConfigError) as caught:
        audit(settings, lambda _: None, patience=15.0 if "15 s" in words else 75.0)
    assert words in str(caught.value)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(settings.out / "audit-settings.json") not in running


@pytest.mark.slow
def test_a_server_that_waits_for_more_clients_is_told_of(tmp_path: Path) -> None:
    settings = changed(
        tmp_path, "batchnorm", "server.py", "fraction_evaluate=0.0", "fraction_evaluate=0.0, min_available_nodes=5"
    )
    with pytest.raises(ConfigError, match=r"with 2 clients connected: it may wait for more; raise --clients"):
        audit(replace(settings, idle=3.0), lambda _: None)
    five = replace(settings, clients=5, attacks=("analytic-linear",))
    assert len(audit(five, lambda _: None)["updates"]) == 5


@pytest.mark.slow
def test_what_was_not_understood_is_asked_and_not_attacked(tmp_path: Path) -> None:
    settings = changed(tmp_path, "batchnorm", "task.py", "criterion = nn.CrossEntropyLoss()",
                       "criterion = lambda s, y: -s.log_softmax(1)[range(len(y)), y].mean()")  # fmt: skip
    result = audited(2, str(settings.folder), "--out", str(settings.out))
    said = " ".join(result.stdout.split())
    assert "Understood but for the loss, and not attacked" in said
    assert "no loss of torch.nn.functional was seen" in said
    assert "guessing" not in result.stdout


def test_no_result_goes_into_the_app_s_own_folder(tmp_path: Path) -> None:
    shutil.copytree(APPS / "adam", tmp_path / "app")
    result = audited(2, str(tmp_path / "app"), "--out", str(tmp_path / "app" / "runs"))
    assert "inside the app's own folder" in str(result.exception) + result.output
    assert not (tmp_path / "app" / "runs").exists()
