"""Atomic files: there whole or not at all, where asked for their owner alone; and folders that are replaced."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

from fedleak.errors import OutputError

UNFINISHED_FILES = ".*.part"
"""What `write_atomically` leaves behind where its process is killed, as a pattern."""
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
"""Permissions of what the server saw and of what clients hold: other users of the machine read neither."""


def write_atomically(path: Path, content: bytes, *, private: Path | None = None) -> Path:
    """Writes beside `path` and renames, so that a reader never sees half a file; what a link points to is replaced.

    A device or a pipe, such as /dev/stdout, is written to as it is. `private` is a folder above `path` that is for its
    owner alone: so are the file, and the folders from there down that have to be made.
    """
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return path
        if private is not None:
            make_private(private, path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") if private is None else open_privately(beside, "wb") as file:
            file.write(content)
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise OutputError(f"cannot write {path}: {error.strerror}; free some space or choose another --out") from error
    return path


def make_private(root: Path, folder: Path | None = None) -> None:
    """Makes a folder for its owner alone, and those from it down to `folder`; permissions of what is there stay."""
    root.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    place = root
    for part in () if folder is None else folder.relative_to(root).parts:
        place = place / part
        place.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def open_privately(path: Path, mode: Literal["wb", "ab"]) -> BinaryIO:
    """Opens a file for writing; one that is not there yet is made for its owner alone."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, PRIVATE_FILE))


def discard(*folders: Path) -> None:
    """Removes folders, those that are there; raises `OutputError` where one stays."""
    for folder in folders:
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise OutputError(f"cannot replace {folder}: {error.strerror}; choose another --out") from error
