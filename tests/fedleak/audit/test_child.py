"""Child process: it does not outlive who started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PARENT = """
import subprocess, sys
code = "import os; one = os.getppid(); from fedleak.audit.child import follow; print(one, flush=True); follow(one)"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
child.wait()
"""


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    said, writing = os.pipe()
    with (tmp_path / "errors").open("wb") as errors:
        parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=writing, stderr=errors)
    os.close(writing)
    with os.fdopen(said) as told:
        assert int(told.readline()) > 1  # the child is there, and follows
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert told.read() == ""  # at the end of the last process that could write to it
