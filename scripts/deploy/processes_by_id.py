"""Processes by their ids, which a process that ended may have handed on to another."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MARK = "FEDLEAK_DEPLOYMENT"
"""The variable by which what a program started in a session of its own is known, however often that started another."""
PROC = Path("/proc")
GRACE_SECONDS = 10.0


def born(pid: int) -> str:
    """When a process started, as the system counts; nothing where there is none, or one that has ended."""
    if PROC.is_dir():
        try:
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    told = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = told.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def marked(mark: str) -> list[int]:
    """The processes that were started with a mark, by whomever; none where the system does not tell."""
    found = []
    for path in PROC.glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in path.read_bytes().split(b"\0") and born(int(path.parent.name)):
                found.append(int(path.parent.name))
    return found


def end(pids: Iterable[int]) -> None:
    """Asks processes to end, and makes those that have not after a grace period."""
    left = {pid: born(pid) for pid in pids}
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + GRACE_SECONDS
        while left and time.monotonic() < deadline:
            left = {pid: start for pid, start in left.items() if start and born(pid) == start}
            time.sleep(0.05)
