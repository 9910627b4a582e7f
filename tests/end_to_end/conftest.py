"""Processes that are killed in the middle of what they do, and the program that deploys."""

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fedleak.processes.preload import worker_context


@pytest.fixture(scope="session")
def deployment() -> ModuleType:
    """What `scripts/deploy` is made of; as it is a program and no package, its files know each other by name."""
    folder = str(Path(__file__).resolve().parents[2] / "scripts" / "deploy")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("deployment")


@pytest.fixture(scope="session")
def killed() -> Callable[..., None]:
    """Runs a function in a process of its own, and kills it as soon as so many files of a pattern are in a folder."""

    def kill(folder: Path, pattern: str, many: int, work: Callable[..., Any], *given: Any, **options: Any) -> None:
        process = worker_context().Process(target=work, args=given, kwargs=options)
        process.start()
        deadline = time.monotonic() + 120
        while len(list(folder.glob(pattern))) < many and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.is_alive(), "the work was over before it could be killed"
        process.kill()
        process.join()

    return kill
