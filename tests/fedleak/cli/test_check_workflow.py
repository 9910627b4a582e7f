"""The workflow that people copy calls commands and options that exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from fedleak.cli.app import app

FOLDER = Path(__file__).parents[3] / "docs" / "ci"
WORKFLOW = yaml.safe_load((FOLDER / "fedleak.yml").read_text())
STEPS = WORKFLOW["jobs"]["fedleak"]["steps"]


def commands():
    """Every `fedleak ...` of the workflow and of its README."""
    runs = [step["run"] for step in STEPS if "run" in step]
    blocks = re.findall(r"```console\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    lines = [line for text in (*runs, *blocks) for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("fedleak ")]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_each_option_exists(command):
    group = typer.main.get_command(app)
    known = {option for parameter in group.commands[command[1]].params for option in parameter.opts}
    used = {word for word in command if word.startswith("-")}
    assert used
    assert used <= known


def test_the_gate_is_what_the_workflow_runs():
    assert [command[1] for command in commands()].count("check") == 2


def test_the_reports_are_kept_when_the_gate_fails():
    kept = [step for step in STEPS if "upload" in step.get("uses", "")]
    assert len(kept) == 2
    assert all(step["if"].startswith("always()") for step in kept)


def test_every_file_that_is_uploaded_is_written():
    (check,) = (step["run"] for step in STEPS if "fedleak check" in step.get("run", ""))
    (upload,) = (step["with"] for step in STEPS if "upload-sarif" in step.get("uses", ""))
    assert f"--sarif {upload['sarif_file']}" in check


def test_every_action_has_a_major_version_and_no_permission_too_many():
    assert all(re.fullmatch(r"[\w./-]+@v\d+", step["uses"]) for step in STEPS if "uses" in step)
    assert WORKFLOW["permissions"] == {"contents": "read", "security-events": "write"}
