"""A deferred command takes what the command takes that it stands for."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest

from fedleak.cli.app import COMMANDS, ENTRY, deferred, module_of, workers


@pytest.mark.parametrize("name", COMMANDS)
def test_parameters_and_help_are_those_of_the_command(name):
    real = getattr(import_module(f"fedleak.cli.{module_of(name)}"), ENTRY)
    stand_in = deferred(name, heavy=False)
    mine, theirs = inspect.signature(stand_in).parameters, inspect.signature(real).parameters
    assert {key: one.default for key, one in mine.items()} == {key: one.default for key, one in theirs.items()}
    assert list(mine) == list(theirs)
    bare = [get_type_hints(function) for function in (stand_in, real)]
    assert bare[0] == bare[1]
    assert stand_in.__doc__ == inspect.getdoc(real)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"jobs": 4}, 4),
        ({"jobs": 4, "plan": True}, 1),
        ({"jobs": 4, "engine": "ray"}, 1),
        ({"jobs": 4, "target": Path("experiment.toml")}, 4),
        ({"jobs": 4, "target": Path("runs/demo")}, 1),
        ({}, 1),
    ],
)
def test_workers_are_started_early_only_where_they_will_work(given, expected):
    assert workers(given) == expected


def test_workers_are_started_before_the_command_is_imported(monkeypatch):
    said, module = [], import_module("fedleak.cli.app")  # `fedleak.cli.app` itself is the group of commands
    monkeypatch.setattr(module, "warm_up", lambda jobs: said.append(jobs))
    monkeypatch.setattr(module, "resolve_name", lambda name: said.append(name) or (lambda **given: said.append(given)))
    deferred("verify", heavy=True)(run=Path("x"), form="json")
    assert said == [1, "fedleak.cli.verify:command", {"run": Path("x"), "form": "json"}]
