"""Software: the packages that fedleak needs, and the tools that some of its commands can use."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from fedleak import __version__
from fedleak.doctor.check import Check
from fedleak.io.fingerprint import source_fingerprint

NEEDED = "needed"
OPTIONAL = "optional"
PATIENCE = 10
"""Seconds to wait for a tool's version."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def check_needed() -> Iterator[Check]:
    """Python, fedleak and each package that it was installed with."""
    yield Check(topic=NEEDED, what="Python", state="ok", found=platform.python_version())
    yield Check(topic=NEEDED, what="fedleak", state="ok", found=f"{__version__}, source {source_fingerprint()}")
    try:
        lines = requires("fedleak") or []
    except PackageNotFoundError:
        yield Check(
            topic=NEEDED,
            what="packages",
            state="missing",
            found="fedleak is run from source that is not installed, so what it needs is not known",
            remedy="install it: `pip install --editable .`",
        )
        return
    needed = [Requirement(line) for line in lines]
    yield from (_package(one) for one in needed if one.marker is None or one.marker.evaluate({"extra": ""}))


def check_optional() -> Iterator[Check]:
    """What only some commands or tests use."""
    yield _ray()
    yield Check(topic=OPTIONAL, what="RAY_ADDRESS", state="ok", found=os.environ.get("RAY_ADDRESS") or "not set")
    yield _tool("tensorboard", ("tensorboard", "--version"), "needed to look at RUN/tensorboard")
    yield _tool("docker compose", ("docker", "compose", "version", "--short"), "needed for docker-compose.yml alone")
    yield _tool("git", ("git", "--version"), "needed to work on fedleak alone")
    yield _browser()


def _package(requirement: Requirement) -> Check:
    name, wanted = requirement.name, str(requirement.specifier)
    remedy = f"`pip install '{name}{wanted}'`"
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(topic=NEEDED, what=name, state="missing", found=f"expected {wanted or 'any'}", remedy=remedy)
    if not requirement.specifier.contains(found, prereleases=True):
        return Check(topic=NEEDED, what=name, state="missing", found=f"{found}, expected {wanted}", remedy=remedy)
    return Check(topic=NEEDED, what=name, state="ok", found=found)


def _ray() -> Check:
    try:
        return Check(topic=OPTIONAL, what="ray", state="ok", found=f"{version('ray')}, installed, not tried")
    except PackageNotFoundError:
        remedy = "`pip install 'flwr[simulation]'`, for --engine ray alone"
        return Check(topic=OPTIONAL, what="ray", state="note", found="not installed", remedy=remedy)


def _tool(what: str, command: tuple[str, ...], remedy: str) -> Check:
    """A program's first line of what it says of its version."""
    program, *arguments = command
    path = _program(program)
    if path is None:
        return Check(topic=OPTIONAL, what=what, state="note", found="not found", remedy=remedy)
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        found = f"`{' '.join(command)}` fails"
        return Check(topic=OPTIONAL, what=what, state="note", found=found, remedy=remedy)
    return Check(topic=OPTIONAL, what=what, state="ok", found=done.stdout.strip().partition("\n")[0])


def _program(name: str) -> str | None:
    """Where a program is: on the path, or beside this Python where its environment is not activated."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def _browser() -> Check:
    found = next((path for name in BROWSERS if (path := _program(name))), None)
    if found is None:
        remedy = "needed to test the report's page alone; any browser shows it"
        return Check(topic=OPTIONAL, what="chromium", state="note", found="not found", remedy=remedy)
    return Check(topic=OPTIONAL, what="chromium", state="ok", found=found)
