"""Atomic files: there whole or not at all; and folders that are replaced."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from fedleak.errors import OutputError

UNFINISHED_FILES = ".*.part"
"""What `write_atomically` leaves behind where its process is killed, as a pattern."""


def write_atomically(path: Path, content: bytes) -> Path:
    """Writes beside `path` and renames, so that a reader never sees half a file; what a link points to is replaced.

    A device or a pipe, such as /dev/stdout, is written to as it is.
    """
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise OutputError(f"cannot write {path}: {error.strerror}; free some space or choose another --out") from error
    return path


def discard(*folders: Path) -> None:
    """Removes folders, those that are there; raises `OutputError` where one stays."""
    for folder in folders:
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise OutputError(f"cannot replace {folder}: {error.strerror}; choose another --out") from error
