"""Flower's Ray simulation: `flwr run` with a home, an app and a SuperLink of its own, gone when it is over."""

import importlib.util
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fedleak.errors import ConfigError, FederationError
from fedleak.federation.outcome import FAILURES
from fedleak.federation.plan import FederationPlan
from fedleak.federation.processes import (
    CONNECTION,
    POLL_SECONDS,
    environment,
    free_port,
    last_words,
    script,
    started,
    write_app,
    write_home,
)
from fedleak.io.atomic import make_private, open_privately

TIME_LIMIT_SECONDS = 6 * 3600.0
START_SECONDS = 60.0
LOG = "flower.log"


def simulate(plan: FederationPlan, server_app: str, client_app: str, heard: Callable[[int], None]) -> None:
    """Runs the two apps with `flwr run` and waits; `heard(clients recorded so far)` is called while it does.

    The plan's paths must be absolute. Flower's log stays beside the recordings as `flower.log`. Raises
    `FederationError` when the run comes to no end of its own.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("the engine 'simulation' needs Ray; install flwr[simulation], or use the engine 'loopback'")
    folder = Path(plan.recordings)
    make_private(folder)
    with tempfile.TemporaryDirectory(prefix="fedleak-") as temporary, open_privately(folder / LOG, "wb") as log:
        home, port = Path(temporary), free_port()
        write_home(home, f"127.0.0.1:{port}")
        app, around = write_app(home / "app", plan, server_app, client_app), environment(home)
        with started(_superlink(port), app, around, log):
            _wait_for_port(port, folder)
            with (
                started(_superexec(port), app, around, log),
                started(_flwr_run(app, plan), app, around, log) as run,
            ):
                _wait(run, folder, heard)
    if not (folder / FAILURES).exists():
        raise FederationError(f"Flower's simulation ended before the server did{last_words(folder / LOG)}")


def _command(name: str) -> str:
    return script(name, "the engine 'simulation'")


def _superlink(port: int) -> list[str]:
    return [
        *(_command("flower-superlink"), "--insecure", "--simulation", "--isolation", "process"),
        *("--host", "127.0.0.1", "--port", str(port), "--disable-runtime-dependency-installation"),
    ]


def _superexec(port: int) -> list[str]:
    """What starts the simulation. Ours, not the SuperLink's: so Ray is in a process group that can be stopped."""
    address = f"127.0.0.1:{port}"
    parent = str(os.getpid())
    return [_command("flower-superexec"), "--insecure", "--runtime-api-address", address, "--parent-pid", parent]


def _flwr_run(app: Path, plan: FederationPlan) -> list[str]:
    nodes = f"num-supernodes={plan.federation.clients} client-resources-num-cpus=1"
    nodes += " client-resources-num-gpus=1.0" if plan.device == "cuda" else ""
    return [_command("flwr"), "run", str(app), CONNECTION, "--stream", "--federation-config", nodes]


def _wait(run: subprocess.Popen[bytes], folder: Path, heard: Callable[[int], None]) -> None:
    deadline = time.monotonic() + TIME_LIMIT_SECONDS
    known = 0
    running = True
    while running:
        running = run.poll() is None
        if time.monotonic() > deadline:
            raise FederationError(f"Flower's simulation was stopped after {TIME_LIMIT_SECONDS / 3600:.0f} hours")
        recorded = sum(1 for who in ("client", "party") for _ in folder.glob(f"round-*/{who}-*.json"))
        if recorded > known:
            known = recorded
            heard(recorded)
        time.sleep(POLL_SECONDS)


def _wait_for_port(port: int, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_SECONDS)
    raise FederationError(f"Flower's SuperLink did not start in {START_SECONDS:.0f} s{last_words(folder / LOG)}")
