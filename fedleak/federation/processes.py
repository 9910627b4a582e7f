"""Flower's programs as processes: the app and the home they are given, their environment, how they start and stop."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import tomli_w

import fedleak
from fedleak.errors import ConfigError
from fedleak.federation.plan import RunConfig

CONNECTION = "here"
"""Name of the SuperLink in the home that `write_home` makes."""
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
STOP_SECONDS = 5.0
POLL_SECONDS = 0.5


def write_app(folder: Path, config: RunConfig, server_app: str, client_app: str) -> Path:
    """A Flower app that is only a pyproject.toml: the code is the installed fedleak."""
    components = {"serverapp": server_app, "clientapp": client_app}
    project = {
        "name": "fedleak-run",
        "version": fedleak.__version__,
        "description": "One federation of fedleak",
        "license": "Apache-2.0",
    }
    app = {"publisher": "fedleak", "components": components, "config": config}
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(tomli_w.dumps({"project": project, "tool": {"flwr": {"app": app}}}))
    return folder


def write_home(home: Path, address: str, ca: Path | None = None) -> None:
    """What `flwr` reads in `FLWR_HOME`: where the SuperLink is, and whose certificates it may show; None: no TLS."""
    trust = "insecure = true" if ca is None else f"root-certificates = {json.dumps(str(ca))}"
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\naddress = "{address}"\n{trust}\n'
    )


def environment(home: Path) -> dict[str, str]:
    """Offline, silent, apart from any other Flower, and with this very fedleak first in line and loaded at the start.

    Flower loads the two apps in two threads. One that finds `fedleak` half imported by the other looks for its parties
    before a checkout's `fedleak/__init__.py` has said where they are, and fails.
    """
    code = str(Path(fedleak.__file__).resolve().parents[1])
    early = home / "early"
    early.mkdir(exist_ok=True)
    (early / "sitecustomize.py").write_text("import fedleak\n")
    scripts = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "FLWR_HOME": str(home),
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.2",  # seconds that a message may wait for its process, in place of 1
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(early), code, os.environ.get("PYTHONPATH")])),
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)]),
    }


def script(name: str, whose: str) -> str:
    """A command of this Python's environment, which `whose` needs."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        raise ConfigError(f"{whose} needs Flower's command '{name}', which is not installed beside this Python")
    return found


def start(command: list[str], folder: Path, surroundings: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """A process in a session of its own."""
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=folder, env=surroundings, stdin=nothing, stdout=log, stderr=log, start_new_session=True
    )


@contextmanager
def started(
    command: list[str], folder: Path, surroundings: dict[str, str], log: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """The same; at the end it and what it started are stopped."""
    process = start(command, folder, surroundings, log)
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asks the whole group to end, and after a grace period makes it."""
    deadline = time.monotonic() + STOP_SECONDS
    if not _signal(process, signal.SIGTERM):
        return
    while time.monotonic() < deadline and _signal(process, 0):
        time.sleep(POLL_SECONDS / 5)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Whether anything of the group was still there to hear it."""
    process.poll()
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def last_words(log: Path) -> str:
    """The last that a program said, and where the rest is: ` (...); see LOG`; nothing where it said nothing.

    Flower says good-bye after it has said why it goes: then that is given.
    """
    said = _COLORS.sub("", log.read_text(errors="replace")) if log.exists() else ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reasons = [place for place, line in enumerate(lines) if "Exit Code: " in line]
    words = " ".join(lines[reasons[-1] :][:3] if reasons else lines[-1:])
    return f" ({words[:200]}); see {log}" if words else ""
