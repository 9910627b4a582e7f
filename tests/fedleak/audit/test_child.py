"""Child process: neither it, nor what it started, nor its private files outlive who started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

CHILD = """
import os, subprocess, sys
from pathlib import Path
from fedleak.audit.child import follow
group = subprocess.Popen(["sleep", "99"], start_new_session=True)
print(sys.argv[2], flush=True)
follow(int(sys.argv[2]), [group.pid], Path(sys.argv[1]))
"""
PARENT = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", {CHILD!r}, sys.argv[1], str(os.getpid())], start_new_session=True).wait()
"""


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    said, writing = os.pipe()
    (private := tmp_path / "private").mkdir()
    (private / "update").write_text("an image")
    with (tmp_path / "errors").open("wb") as errors:
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(private)], stdout=writing, stderr=errors)
    os.close(writing)
    with os.fdopen(said) as told:
        assert int(told.readline()) > 1  # the child is there, and follows
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert told.read() == ""  # at the end of the last process that could write to it
    assert not private.exists()
