"""Run of an audit: the child process, what it says meanwhile, and its end."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedleak.audit.answers import read_answers
from fedleak.audit.app import digest, overridden, read_app
from fedleak.audit.exhibit import EXHIBITS
from fedleak.audit.settings import AuditSettings, written
from fedleak.audit.verdict import REPORT, RESULT, ROWS, Audited
from fedleak.contracts.attack import attacks as registry
from fedleak.errors import ConfigError
from fedleak.io.atomic import make_private

LOG = "app.log"
PATIENCE_SECONDS = 300.0
"""How long a child may be silent: it says so when it goes on."""


def audit_app(
    folder: Path,
    out: Path,
    *,
    run_config: Sequence[str] = (),
    node_config: Sequence[str] = (),
    answers: Path | None = None,
    told: Callable[[str], None] = lambda _: None,
    **chosen: Any,
) -> Audited:
    """Audits the app in a folder; `chosen` are the other fields of `AuditSettings`.

    Raises `ConfigError` for what cannot be audited, and an `out` inside the app's own folder.
    """
    app = read_app(folder, run_config)
    for name in chosen.get("attacks", ()):
        registry.get(name)
    out = out.expanduser().resolve()
    if out.is_relative_to(app.folder):
        raise ConfigError(f"--out: {out} is inside the app's own folder, which is left as it is; name another")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out: expected a folder or nothing at {out}, and there is a file; name another")
    settings = AuditSettings(
        folder=app.folder,
        name=app.name,
        server=app.server,
        client=app.client,
        config=app.config,
        node_config=overridden(node_config, "--node-config"),
        facts=read_answers(answers),
        out=out,
        **chosen,
    )
    return Audited(audit(settings, told), out)


def audit(settings: AuditSettings, told: Callable[[str], None], patience: float = PATIENCE_SECONDS) -> dict[str, Any]:
    """Runs the app in a process of its own and gives what `audit.json` has; `told` hears what is going on.

    Raises `ConfigError` with what was wrong with the app, also where its files are others afterwards.
    """
    make_private(settings.out)
    before = digest(settings.folder)
    names = (RESULT, ROWS, REPORT, "experiment.toml")
    for old in (
        *(settings.out / name for name in names),
        *settings.out.glob("client-*.png"),
        *settings.out.glob(f"{EXHIBITS}/*"),
    ):
        old.unlink(missing_ok=True)
    (settings.out / LOG).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="fedleak-", ignore_cleanup_errors=True) as private:
        done, status = _ran(replace(settings, private=Path(private)), told, patience)
    if digest(settings.folder) != before:
        raise ConfigError(
            f"{settings.folder}: files of the app are others than before: it writes into its own folder; audit a copy "
            "of it, or let it write elsewhere"
        )
    if not done:
        raise ConfigError(
            f"{settings.name}: the app's process ended without a word (status {status}); see {settings.out / LOG}"
        )
    facts: dict[str, Any] = json.loads((settings.out / RESULT).read_text())
    return facts


def _ran(settings: AuditSettings, told: Callable[[str], None], patience: float) -> tuple[bool, int]:
    """Whether the child came to its end, and with which status; nothing is left of it."""
    plan = written(settings, settings.out / "audit-settings.json")
    reading, writing = os.pipe()
    groups: list[int] = []
    with (settings.out / LOG).open("ab") as log:
        command = [sys.executable, "-P", "-m", "fedleak.audit.child", str(plan), str(writing), str(os.getpid())]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(writing,), start_new_session=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "FLWR_TELEMETRY_ENABLED": "0"},
        )  # fmt: skip
        os.close(writing)
        try:
            done = _listen(reading, told, patience, groups)
        finally:
            os.close(reading)
            _end(process, groups)
    return done, process.returncode


def _listen(reading: int, told: Callable[[str], None], patience: float, groups: list[int]) -> bool:
    """Until the child is done, True, or its pipe is closed; raises `ConfigError` for what it says went wrong.

    The groups of processes that it has started and not yet ended are kept in `groups`.
    """
    left, last, stage = b"", time.monotonic(), "starting"
    while True:
        ready, _, _ = select.select([reading], [], [], 1.0)
        if not ready:
            if time.monotonic() - last > patience:
                raise ConfigError(f"the app hangs: nothing happened for {patience:.0f} s while it was at: {stage}")
            continue
        came = os.read(reading, 65536)
        if not came:
            return False
        last = time.monotonic()
        *lines, left = (left + came).split(b"\n")
        for line in lines:
            words = json.loads(line)
            if words["event"] == "failure":
                raise ConfigError(words["words"])
            if words["event"] == "done":
                return True
            if words["event"] == "groups":
                groups[:] = words["numbers"]
            if words["event"] == "stage":
                stage = words["words"]
                told(stage)


def _end(process: subprocess.Popen[bytes], groups: Sequence[int]) -> None:
    """What is left of the child and of what it started is stopped."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=2)
    for group in (process.pid, *groups):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    process.wait()
