"""Flower's Ray simulation: `flwr run` with a home, an app and a SuperLink of its own, gone when it is over."""

import importlib.util
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
    require_ray()
    folder = Path(plan.recordings)
    make_private(folder)
    nodes = nodes_of(plan.federation.clients, gpu=plan.device == "cuda")
    (folder / LOG).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="fedleak-") as temporary:
        app = write_app(Path(temporary) / "app", plan.to_run_config(), server_app, client_app)
        with simulation(app, Path(temporary), nodes, folder / LOG) as run:
            _wait(run, folder, heard)
    if not (folder / FAILURES).exists():
        raise FederationError(f"Flower's simulation ended before the server did{last_words(folder / LOG)}")


def require_ray() -> None:
    """Raises `ConfigError` where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("the engine 'simulation' needs Ray; install flwr[simulation], or use the engine 'loopback'")


def nodes_of(clients: int, *, gpu: bool) -> str:
    """How many nodes `flwr run` simulates, and what each client is given of the machine."""
    return f"num-supernodes={clients} client-resources-num-cpus=1" + (" client-resources-num-gpus=1.0" if gpu else "")


@contextmanager
def simulation(
    app: Path,
    home: Path,
    nodes: str,
    log: Path,
    *,
    place: Path | None = None,
    more: Mapping[str, str] | None = None,
    begun: Callable[[int], None] = lambda _: None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Flower's simulation of an app until the block ends; gives `flwr run`, which ends when the run is over.

    It lives in `home`, works in `place` (the app's folder without one) with `more` in its environment; `begun` hears of
    each group of processes as it is started.
    """
    port = free_port()
    write_home(home, f"127.0.0.1:{port}")
    around = {**environment(home), **(more or {})}
    with open_privately(log, "ab") as file, ExitStack() as stack:

        def starts(command: list[str]) -> subprocess.Popen[bytes]:
            process = stack.enter_context(started(command, place or app, around, file))
            begun(process.pid)
            return process

        starts(_superlink(port))
        _wait_for_port(port, log)
        starts(_superexec(port))
        yield starts([_command("flwr"), "run", str(app), CONNECTION, "--stream", "--federation-config", nodes])


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


def _wait_for_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_SECONDS)
    raise FederationError(f"Flower's SuperLink did not start in {START_SECONDS:.0f} s{last_words(log)}")
