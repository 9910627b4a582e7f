"""Deferred commands: parameters and help are read from a command's source; its module is imported when it is called.

A command's file imports at its top all that it works with, PyTorch included, which takes seconds. Help, completion and
complaints about what was typed need none of it.
"""

import ast
import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from fedleak.campaign.preload import warm_up
from fedleak.cli import options

ENTRY = "command"
"""The function that is the command, in each command's file."""


def deferred(name: str, *, heavy: bool) -> Callable[..., None]:
    """The command in `NAME.py`: its signature and docstring, and a body that imports it and calls it."""
    declared = declaration(Path(__file__).with_name(f"{name}.py"))

    @wraps(declared)
    def call(**given: Any) -> None:
        if heavy:
            options.say_loading()
            warm_up(workers(given))
        resolve_name(f"fedleak.cli.{name}:{ENTRY}")(**given)

    return call


def declaration(path: Path) -> Callable[..., None]:
    """The function without its body; what its parameters are made of is found in `fedleak.cli.options`."""
    tree = ast.parse(path.read_text(encoding="utf-8"), path)
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == ENTRY)
    found.body = found.body[:1]  # the docstring
    scope = dict(vars(options))
    exec(compile(ast.Module([found], []), path, "exec"), scope)
    declared: Callable[..., None] = scope[ENTRY]
    declared.__doc__ = inspect.cleandoc(declared.__doc__ or "")
    return declared


def workers(given: Mapping[str, Any]) -> int:
    """Processes that will work on this machine: they load PyTorch while this one does."""
    target = given.get("target")
    judged = target is not None and (target.is_dir() or target.suffix != ".toml")
    idle = given.get("plan") or given.get("engine") == "ray" or judged
    return 1 if idle else given.get("jobs", 1)
