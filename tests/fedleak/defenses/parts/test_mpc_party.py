"""A party listens at loopback alone, and ends with whoever started it, or when its time is over."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedleak.defenses.parts import mpc_party, secret_sharing

TABLE = Path("/proc/net/tcp")
LISTENS = "0A"
LIMIT = 60
"""Seconds to wait for what comes at once on a machine that is not busy."""
PARENT = """
import subprocess, sys
from fedleak.defenses.parts import secret_sharing

popen = subprocess.Popen

def start(words, **options):
    if words[-1] == "2":  # it never comes, so that the others wait for it
        words = [sys.executable, "-c", "import time; time.sleep(600)"]
    started = popen(words, **options)
    print(started.pid, flush=True)
    return started

def ports(count):
    found = free(count)
    print(found[1], flush=True)
    return found

free = secret_sharing.free_ports
subprocess.Popen, secret_sharing.free_ports = start, ports
job = {"activation": "relu", "inputs": [[1]], "maps": [[[[1]], [[1]]]]}
secret_sharing.together([job] * 3, timeout=TIMEOUT)
"""


def eventually(holds):
    ends = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.1)


def runs(process):
    """A process that has ended and that nobody has asked how counts as ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listening(port):
    """The addresses where somebody listens at that port."""
    tables = [table for table in (TABLE, TABLE.with_name("tcp6")) if table.exists()]
    entries = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    return [
        own.partition(":")[0] for _, own, _, state, *_ in entries if state == LISTENS and own.endswith(f":{port:04X}")
    ]


@pytest.mark.slow
@pytest.mark.skipif(not TABLE.exists(), reason="it reads /proc, which this machine has not")
@pytest.mark.skipif(
    secret_sharing.find_spec("mpyc") is None, reason='MPyC is not installed; pip install "fedleak[multiparty]"'
)
def test_parties_listen_at_loopback_alone_and_end_with_their_parent():
    program = PARENT.replace("TIMEOUT", "500.0")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        port, *parties = [int(parent.stdout.readline()) for _ in range(4)]
        try:
            eventually(lambda: listening(port))
            assert listening(port) == ["0100007F"]
            assert all(map(runs, parties))
            parent.kill()
            eventually(lambda: not any(map(runs, parties[:2])))
        finally:
            parent.kill()
            for one in filter(runs, parties):
                os.kill(one, signal.SIGKILL)


@pytest.mark.parametrize(("parent", "seconds"), [("os.getppid() + 1", "600"), ("os.getppid()", "0")])
def test_a_party_ends_where_its_parent_is_another_or_its_time_is_over(parent, seconds):
    program = f"import os, time; from mpc_party import end_with; end_with({parent}, {seconds}); time.sleep(600)"
    where = {**os.environ, "PYTHONPATH": str(Path(mpc_party.__file__).parent)}
    assert subprocess.run([sys.executable, "-c", program], env=where, timeout=LIMIT).returncode == 1
