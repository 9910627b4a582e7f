"""The README's own code runs: the Python example, the experiment, and the two plug-ins."""

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
from fedleak.experiment.grid import load_campaign
from fedleak.gate.policy import load_policy

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


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


def test_every_command_and_option_that_is_shown_exists() -> None:
    """Each `fedleak COMMAND --option` of the README is known to the command line."""
    shown = re.findall(r"^fedleak (\w+)(.*)$", "\n".join(blocks("console")), flags=re.MULTILINE)
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
