"""Flower's Ray simulation: `flwr run` with a home, an app and a SuperLink of its own, gone when it is over."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fedleak
from fedleak.errors import ConfigError, FederationError
from fedleak.federation.outcome import FAILURES
from fedleak.federation.plan import FederationPlan
from fedleak.io.atomic import make_private, open_privately

TIME_LIMIT_SECONDS = 6 * 3600.0
START_SECONDS = 60.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.5
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
    with tempfile.TemporaryDirectory(prefix="fedleak-") as home, open_privately(folder / LOG, "wb") as log:
        port = _free_port()
        app = _write_app(Path(home), plan, server_app, client_app, port)
        environment = _environment(Path(home))
        with _started(_superlink(port), app, environment, log.fileno()):
            _wait_for_port(port, folder)
            with (
                _started(_superexec(port), app, environment, log.fileno()),
                _started(_flwr_run(app, plan), app, environment, log.fileno()) as run,
            ):
                _wait(run, folder, heard)
    if not (folder / FAILURES).exists():
        raise FederationError(f"Flower's simulation ended before the server did{_last_words(folder)}")


def _write_app(home: Path, plan: FederationPlan, server_app: str, client_app: str, port: int) -> Path:
    """A Flower app that is only a pyproject.toml: the code is the installed fedleak."""
    config = "\n".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in plan.to_run_config().items())
    app = home / "app"
    app.mkdir()
    (app / "pyproject.toml").write_text(
        f'[project]\nname = "fedleak-run"\nversion = "{fedleak.__version__}"\n'
        'description = "One federation of fedleak"\nlicense = "Apache-2.0"\n\n'
        '[tool.flwr.app]\npublisher = "fedleak"\n\n'
        f'[tool.flwr.app.components]\nserverapp = "{server_app}"\nclientapp = "{client_app}"\n\n'
        f"[tool.flwr.app.config]\n{config}\n"
    )
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    return app


def _environment(home: Path) -> dict[str, str]:
    """Offline, silent, apart from any other Flower, and with this very fedleak first in line and loaded at the start.

    Flower loads the two apps in two threads. One that finds `fedleak` half imported by the other looks for its parties
    before a checkout's `fedleak/__init__.py` has said where they are, and fails.
    """
    code = str(Path(fedleak.__file__).resolve().parents[1])
    early = home / "early"
    early.mkdir()
    (early / "sitecustomize.py").write_text("import fedleak\n")
    scripts = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "FLWR_HOME": str(home),
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(early), code, os.environ.get("PYTHONPATH")])),
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)]),
    }


def _superlink(port: int) -> list[str]:
    return [
        *(_script("flower-superlink"), "--insecure", "--simulation", "--isolation", "process"),
        *("--host", "127.0.0.1", "--port", str(port), "--disable-runtime-dependency-installation"),
    ]


def _superexec(port: int) -> list[str]:
    """What starts the simulation. Ours, not the SuperLink's: so Ray is in a process group that can be stopped."""
    address = f"127.0.0.1:{port}"
    parent = str(os.getpid())
    return [_script("flower-superexec"), "--insecure", "--runtime-api-address", address, "--parent-pid", parent]


def _flwr_run(app: Path, plan: FederationPlan) -> list[str]:
    nodes = f"num-supernodes={plan.federation.clients} client-resources-num-cpus=1"
    nodes += " client-resources-num-gpus=1.0" if plan.device == "cuda" else ""
    return [_script("flwr"), "run", str(app), "here", "--stream", "--federation-config", nodes]


def _script(name: str) -> str:
    """A command of this Python's environment."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        raise ConfigError(
            f"the engine 'simulation' needs Flower's command '{name}', which is not installed beside this Python"
        )
    return found


@contextmanager
def _started(
    command: list[str], folder: Path, environment: dict[str, str], log: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own; at the end it and what it started are stopped."""
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(port: int, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_SECONDS)
    raise FederationError(f"Flower's SuperLink did not start in {START_SECONDS:.0f} s{_last_words(folder)}")


def _last_words(folder: Path) -> str:
    lines = [line.strip() for line in (folder / LOG).read_text(errors="replace").splitlines() if line.strip()]
    return f" ({lines[-1][:200]}); see {folder / LOG}" if lines else ""
