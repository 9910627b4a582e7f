"""The code of the README, docs/own.md and docs/servers.md runs: Python, experiments, policies, and the two plug-ins."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from fedleak.campaign.plan import counts_of
from fedleak.cli.app import app
from fedleak.contracts.attack import attacks
from fedleak.contracts.defense import defenses
from fedleak.data.splits import load
from fedleak.experiment.grid import load_campaign
from fedleak.gate.policy import load_policy
from fedleak.run import run
from fedleak.settings.federation import FederationSettings
from fedleak.settings.task import TaskSettings
from fedleak.tasks import initial_weights, source_of, task_of

ROOT = Path(__file__).resolve().parents[1]
README, OWN = (ROOT / "README.md").read_text(), (ROOT / "docs" / "own.md").read_text()
SERVERS = (ROOT / "docs" / "servers.md").read_text()
NOT_TRAINING = {
    "release",
    "rounds",
    "partitioner",
    "partitioner_options",
    "strategy",
    "strategy_options",
    "fraction_evaluate",
}
"""Keys of a federation that say nothing of how a client trains."""
THEIRS = """
import torch
from torch import nn

class Scans(torch.utils.data.TensorDataset):
    def __init__(self, split):
        super().__init__(torch.rand(40, 1, 64, 64), torch.arange(40) % 4)

class Net(nn.Module):
    def __init__(self, classes, in_channels, width):
        super().__init__()
        self.stem, self.layer1 = nn.Conv2d(in_channels, width, 3), nn.Conv2d(width, width, 3)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.layer1(self.stem(x).relu()).relu().mean((2, 3)))

def focal(outputs, labels, gamma):
    entropy = nn.functional.cross_entropy(outputs, labels, reduction="none")
    return ((1 - (-entropy).exp()) ** gamma * entropy).mean()
"""
"""What docs/own.md supposes that a user has."""


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules")
def test_the_table_of_a_user_s_own_runs(tmp_path: Path) -> None:
    for module in ("mydata", "mymodel", "mylosses"):
        (tmp_path / f"strangers_{module}.py").write_text(THEIRS)
    example = re.sub(r'"(my\w+):', r'"strangers_\1:', blocks("toml", OWN)[0])
    file = tmp_path / "experiment.toml"
    file.write_text(example)
    short = ("federation.batches=2", "federation.batch_size=2", 'attacks=[{use="inverting-gradients",steps=2}]')
    outcome = run(load_campaign(file, (*short, "adversary.auxiliary=8")), tmp_path / "run")
    assert {row.metric for row in outcome.rows if not row.reason} >= {"psnr", "label-recall"}


def test_every_key_of_a_task_and_of_training_is_told() -> None:
    told = set(re.findall(r"`(\w+)`|^(\w+) =", OWN, flags=re.MULTILINE))
    words = {word for pair in told for word in pair if word}
    trained = set(FederationSettings.model_fields) - NOT_TRAINING
    assert set(TaskSettings.model_fields) - {"folder", "bundle"} | trained <= words


@pytest.mark.slow
def test_the_python_example_prints_a_figure_well_above_the_prior() -> None:
    example = next(block for block in blocks("python") if "capture(" in block)
    assert len([line for line in example.splitlines() if line.strip()]) < 10
    result = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True)
    found = re.search(r"psnr: ([\d.]+) dB \(prior ([\d.]+)\)", result.stdout)
    assert found is not None, result.stdout
    assert float(found[1]) > float(found[2]) + 6


def test_the_experiment_is_one(tmp_path: Path) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text(blocks("toml")[0])
    experiment = load_campaign(file, ("federation.batch_size=4",)).first
    assert experiment.federation.batch_size == 4
    assert list(experiment.build_chains()) == ["none", "clipped and noisy"]


def test_the_experiment_on_a_released_model_is_one(tmp_path: Path) -> None:
    file = tmp_path / "experiment.toml"
    file.write_text('name = "n"\ntask = "digits-mlp"\n' + next(b for b in blocks("toml") if "release =" in b))
    experiments = [point.experiment for point in load_campaign(file).points]
    assert [one.adversary.queries for one in experiments] == [100, 1000]
    assert experiments[0].models == (20,)


@pytest.mark.slow
def test_the_audit_of_an_api_runs(capsys: pytest.CaptureFixture[str]) -> None:
    task, splits = task_of("digits-mlp"), load(source_of("digits-mlp"))
    weights = initial_weights("digits-mlp", 0)
    names = {
        "predict": lambda inputs: task.logits(weights, inputs, mode="eval").softmax(1).detach(),
        "public": splits.auxiliary,
        "private": splits.clients,
        "others": splits.test,
    }
    exec(next(block for block in blocks("python") if "serve(" in block), names)
    assert "('recognised', " in capsys.readouterr().out


def test_the_campaign_is_one(tmp_path: Path) -> None:
    file = tmp_path / "campaign.toml"
    file.write_text(next(block for block in blocks("toml") if "[tuning]" in block))
    campaign = load_campaign(file)
    assert counts_of(campaign) == (2 * 2 * (5 + 2) * 3, 2 * 2 * (5 + 2) * 3 * 4 * 2)
    assert list(campaign.first.build_chains()) == ["none", "noisy std=0.0001", "noisy std=0.001"]


def test_the_policy_is_one(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(next(block for block in blocks("toml") if "rules =" in block))
    assert len(load_policy(file).rules) == 3


@pytest.mark.parametrize("row", [0, 1])
def test_the_experiment_with_servers_is_one_and_its_policy_is_about_them(tmp_path: Path, row: int) -> None:
    """As it stands, and with the row of a server that knows the checks and further seeds for thresholds of these."""
    example, calibration, knowing, rules = blocks("toml", SERVERS)
    file, policy = tmp_path / "experiment.toml", tmp_path / "policy.toml"
    file.write_text(example + (knowing + calibration) * row)
    policy.write_text(rules)
    campaign = load_campaign(file, ("federation.rounds=5",))
    assert len(campaign.points) - len(campaign.reported.points) == 120 * row
    named = [point.experiment.server.name for point in campaign.reported.points]
    assert named == ["honest", "imprint", "two models", *["slow imprint"] * row]
    groups = [{"server": (name,), "sender": ("aggregate",), "defense": ("watched",)} for name in named]
    selected = [[rule.assertion.selects(group) for group in groups] for rule in load_policy(policy).rules]
    assert selected == [[name in about for name in named] for about in (["imprint"], ["imprint", "two models"])]


@pytest.mark.slow
def test_the_example_of_a_server_that_sends_weights_alone_reads_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    exec(blocks("python", SERVERS)[0], {})
    found, told = (
        re.search(r"psnr: ([\d.]+) dB \(prior [\d.]+\)", text) for text in (capsys.readouterr().out, SERVERS)
    )
    assert found is not None
    assert told is not None
    assert float(found[1]) == pytest.approx(float(told[1]), abs=5)


@pytest.mark.parametrize("text", [README, SERVERS], ids=["README", "servers"])
def test_every_command_and_option_that_is_shown_exists(text: str) -> None:
    """Each `fedleak COMMAND --option` is known to the command line."""
    shown = re.findall(r"^fedleak (\w+)(.*)$", "\n".join(blocks("console", text)), flags=re.MULTILINE)
    assert shown
    known = get_command(app).commands
    for name, words in shown:
        options = {option for parameter in known[name].params for option in parameter.opts}
        assert set(re.findall(r"--[\w-]+", words)) <= options, name


@pytest.mark.slow
def test_the_plug_ins_pass_conformance_as_they_stand(tmp_path: Path) -> None:
    """In a process of their own, registered through an entry point, as an outsider's package would be."""
    package = tmp_path / "outsider"
    package.mkdir()
    (package / "__init__.py").write_text("from . import attack, defense\n")
    for name, marker in [("attack", "NearestPublic"), ("defense", "ScaledSign")]:
        (package / f"{name}.py").write_text(next(block for block in blocks("python") if marker in block))
    metadata = tmp_path / "outsider-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[fedleak.plugins]\noutsider = outsider\n")
    command = [sys.executable, "-m", "pytest", "tests/test_conformance.py", "-k", "nearest-public or scaled-sign"]
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    root = Path(__file__).resolve().parents[1]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "nearest-public" not in {cls.name for cls in attacks}
    assert "scaled-sign" not in {cls.name for cls in defenses}
