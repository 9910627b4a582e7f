"""Files that are there whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from fedleak.errors import OutputError

UNFINISHED_FILES = ".*.part"
"""What `write_atomically` leaves behind where its process is killed, as a pattern."""


def write_atomically(path: Path, content: bytes) -> Path:
    """Writes beside `path` and renames, so that a reader never sees half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise OutputError(f"cannot write {path}: {error.strerror}; free some space or choose another --out") from error
    return path
