"""The commands, and what they need not import."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from fedleak.cli.app import COMMANDS, ENTRY, app, module_of

CALL = "import sys; sys.argv[0] = 'fedleak'; from fedleak.cli import main; "
CHECKED = "import atexit; atexit.register(lambda: print('torch' in sys.modules or 'flwr' in sys.modules)); main()"


def invoke(*words):
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "80"})


def in_a_process(*words, **variables):
    """Output of the real command, and whether it imported PyTorch or Flower."""
    command = [sys.executable, "-c", CALL + CHECKED, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **variables}
    )
    assert done.stderr == ""
    *output, heavy = done.stdout.splitlines()
    return "\n".join(output), heavy == "True"


def test_the_help_names_every_command_in_order():
    shown = re.findall(r"^│ ([\w-]+) ", invoke("--help").stdout, re.MULTILINE)
    assert list(COMMANDS) == [name for name in shown if name in COMMANDS]
    assert list(get_command(app).commands) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_a_function_of_its_own_file(name):
    assert callable(getattr(import_module(f"fedleak.cli.{module_of(name)}"), ENTRY))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--version",),
        ("run", "--help"),
        ("list", "attacks"),
        ("list", "defenses", "--format", "json"),
        ("list", "tasks"),
        ("list", "metrics"),
        ("cite", "dlg"),
    ],
)
def test_looking_something_up_needs_no_torch(words):
    output, heavy = in_a_process(*words)
    assert output
    assert not heavy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("fedleak r", {"run", "report"}),
        ("fedleak list ", {"attacks", "defenses", "tasks", "metrics", "tamperings", "manipulations"}),
        ("fedleak cite ll", {"llg", "llg-plus", "llg-star"}),
        ("fedleak attack x.json --use dl", {"dlg"}),
        ("fedleak run x.toml --pl", {"--plan"}),
        ("fedleak verify x --format j", {"json"}),
    ],
)
def test_shells_complete_commands_options_and_plug_ins_without_torch(typed, expected):
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    output, heavy = in_a_process(_FEDLEAK_COMPLETE="bash_complete", **words)
    assert {line.partition(",")[2] for line in output.splitlines()} == expected
    assert not heavy


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell, monkeypatch):
    output, _ = in_a_process(_FEDLEAK_COMPLETE=f"{shell}_source")
    assert f"_FEDLEAK_COMPLETE={shell}_complete" in output


def test_an_unknown_command_is_answered_with_a_near_one():
    said = invoke("reprot")
    assert said.exit_code == 2
    assert "report" in said.stderr


@pytest.mark.slow
def test_a_plug_in_that_is_not_there_is_answered_with_a_near_one():
    said = invoke("cite", "dgl")
    assert said.exit_code == 2
    assert "did you mean 'dlg'?" in said.stderr


@pytest.mark.slow
def test_the_doctor_s_json_has_two_spellings():
    facts = [json.loads(invoke("doctor", *words).stdout) for words in (["--json"], ["--format", "json"])]
    assert [list(check) for check in facts[0]] == [list(check) for check in facts[1]]
    assert set(facts[0][0]) == {"topic", "what", "state", "found", "remedy"}
