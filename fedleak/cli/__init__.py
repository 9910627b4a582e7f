"""Command line, one command a file; nothing imports PyTorch before a command is called that needs it."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from click.shell_completion import shell_complete
from typer.main import get_command

from fedleak.cli.app import TerminatedError, app

COMPLETE = "_FEDLEAK_COMPLETE"
"""The variable by which a shell asks for its completion script (`bash_source`) and then for words."""


def main() -> None:
    """The entry point of the `fedleak` command."""
    # Closed by whoever started us, they are None, which not every library expects.
    sys.stdout, sys.stderr = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # tests put other things there
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # an arrow must not end a run in ASCII
    if os.environ.get(COMPLETE):  # asked here, because typer's own way expects commands that its installer wrote
        sys.exit(shell_complete(get_command(app), {}, "fedleak", COMPLETE, os.environ[COMPLETE]))
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(app())
    finally:
        _let_go()


def _let_go() -> None:
    """What a full standard error could not take goes: Python would try once more at the end, and exit with 120."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Ends like Ctrl-C does: what was finished is written first."""
    raise TerminatedError
