"""Journal: lines that only grow, and arrays beside them, each set stored once under its digest.

Whatever ends the process, what was written before is whole: arrays are there before the line that names them.
"""

import errno
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

FORMAT = "fedleak-wiretap-2"
LINES, ARRAYS = "messages.jsonl", "arrays"
SUFFIX = ".safetensors"
OURS_ALONE, FOR_US_TO_ENTER = 0o600, 0o700
NEW = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
CLOSED = -1
NOTE = "fedleak"
"""In the metadata of a file of arrays: their order, and which of them are bytes of another kind of array, as JSON."""
Arrays = Mapping[str, NDArray[Any]]


class FullError(Exception):
    """The folder is as large as it may become."""


class Journal:
    """A folder that only its owner can enter, which grows to a size and no further."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Opens a folder that is new, empty or a journal already; raises `OSError` for any other."""
        lines = folder / LINES
        folder.mkdir(mode=FOR_US_TO_ENTER, parents=True, exist_ok=True)
        if any(folder.iterdir()) and not lines.exists():
            raise FileExistsError(
                errno.EEXIST, "expected a new folder, an empty one, or one of earlier recordings", str(folder)
            )
        self._arrays = folder / ARRAYS
        self._arrays.mkdir(exist_ok=True)
        for one in (folder, self._arrays):
            one.chmod(FOR_US_TO_ENTER)
        self._most_bytes = most_bytes
        self._bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        self._known = {path.stem for path in self._arrays.glob(f"[!.]*{SUFFIX}")}
        self._file = os.open(lines, NEW | os.O_APPEND, OURS_ALONE)
        if torn(lines):
            os.write(self._file, b"\n")

    def write(self, facts: Mapping[str, Any], *, reserved: bool = False) -> None:
        """Adds a line; raises `FullError` where there is no room, but for what is `reserved`, and `OSError`."""
        line = (json.dumps(facts, separators=(",", ":"), allow_nan=False) + "\n").encode()
        if not reserved:
            self._take(len(line))
        if os.write(self._file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), LINES)

    def store(self, arrays: Arrays, foreign: Mapping[str, Any]) -> str:
        """The digest under which arrays are stored, now or before: that of their file; raises as `write` does."""
        note = json.dumps({"order": list(arrays), **({"foreign": foreign} if foreign else {})})
        content = save({name: _in_rows(one) for name, one in arrays.items()}, {NOTE: note})
        digest = sha256(content).hexdigest()
        if digest not in self._known:
            self._take(len(content))
            self._write_file(digest, content)
            self._known.add(digest)
        return digest

    def close(self) -> None:
        """Lets the file go; what is written afterwards is an `OSError`."""
        with suppress(OSError):
            os.close(self._file)
        self._file = CLOSED

    def _write_file(self, digest: str, content: bytes) -> None:
        beside = f"{self._arrays}/.{digest}.{os.getpid()}.part"
        try:
            with os.fdopen(os.open(beside, NEW | os.O_TRUNC, OURS_ALONE), "wb", buffering=0) as file:
                if file.write(content) < len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), digest)
            os.rename(beside, f"{self._arrays}/{digest}{SUFFIX}")  # noqa: PTH104  on every reply: strings are quicker
        except OSError:
            with suppress(OSError):
                Path(beside).unlink()
            raise

    def _take(self, size: int) -> None:
        if self._bytes + size > self._most_bytes:
            raise FullError(f"{self._most_bytes} bytes")
        self._bytes += size


def _in_rows(array: NDArray[Any]) -> NDArray[Any]:
    """The array as safetensors wants it; one without dimensions has none afterwards either."""
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def torn(lines: Path) -> bool:
    """Whether the last line was not written to its end, as where a process was killed."""
    with lines.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        return size > 0 and (file.seek(size - 1), file.read(1))[1] != b"\n"


# Reading, which needs no Flower.


class JournalError(ValueError):
    """A folder or file that is missing, or not as it was written; the message is one sentence."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What one message carried: by record, and in a record by key."""

    folder: Path
    digests: Mapping[str, str]
    """Of each record of arrays."""
    metrics: Mapping[str, Mapping[str, Any]]
    config: Mapping[str, Mapping[str, Any]]
    """Values that were not listed are None."""
    other: Mapping[str, str]
    """The class of each record of another kind."""

    def arrays(self, record: str | None = None) -> dict[str, NDArray[Any]]:
        """The arrays of a record, by default of the first that has any, in their order; raises `JournalError`."""
        digest = next(iter(self.digests.values()), None) if record is None else self.digests[record]
        return {} if digest is None else read_arrays(self.folder, digest)

    @property
    def numbers(self) -> dict[str, float]:
        """All numbers that it carried in clear, beside arrays."""
        numbers = {key: float(value) for one in self.config.values() for key, value in one.items() if _is_number(value)}
        measured = ((key, value) for one in self.metrics.values() for key, value in one.items())
        return numbers | {key: float(value) for key, value in measured if not isinstance(value, list)}


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A message to a node, and what came back."""

    tap: str
    """Which of several recordings in the folder."""
    round: int
    node: int
    type: str
    sent: Content
    received: Content | None
    """None where nothing came, or an error."""
    error: str
    """Why the node did not answer; empty where it did, or nobody knows."""


def read_journal(folder: Path) -> list[Exchange]:
    """All messages in a folder in their order, with the replies; raises `JournalError` where it is none of ours.

    A line that was not written to its end is left out.
    """
    try:
        lines = (folder / LINES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise JournalError(f"cannot read {folder / LINES}: {getattr(error, 'strerror', error)}") from error
    facts = [one for line in lines if (one := _object(line))]
    if not facts or facts[0].get("format") != FORMAT:
        raise JournalError(f"{folder / LINES}: expected a journal of format {FORMAT}, got another file")
    try:
        replies = {(one["tap"], one["to"]): one for one in facts if one["kind"] == "reply"}
        asked = (one for one in facts if one["kind"] == "sent")
        return [_exchange(folder, one, replies.get((one["tap"], one["id"]))) for one in asked]
    except (KeyError, TypeError, AttributeError) as error:
        raise JournalError(f"{folder / LINES} is damaged ({error!r} is missing or wrong); record it again") from error


def read_arrays(folder: Path, digest: str) -> dict[str, NDArray[Any]]:
    """The arrays that are stored under a digest, in their order; raises `JournalError` where they are not as stored."""
    path = folder / ARRAYS / f"{digest}{SUFFIX}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(f"cannot read {path}: {error.strerror}") from error
    if sha256(content).hexdigest() != digest:
        raise JournalError(f"{path} is damaged: expected a file of that digest; record it again")
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    order = json.loads(header["__metadata__"][NOTE])["order"]
    arrays = load(content)
    return {name: arrays[name] for name in order}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _exchange(folder: Path, asked: Mapping[str, Any], reply: Mapping[str, Any] | None) -> Exchange:
    error = {} if reply is None else reply.get("error", {})
    return Exchange(
        sent=_content(folder, asked),
        received=None if reply is None or error else _content(folder, reply),
        error=f"{error.get('reason', '')} (code {error['code']})" if error else "",
        **{name: asked[name] for name in ("tap", "round", "node", "type")},
    )


def _content(folder: Path, facts: Mapping[str, Any]) -> Content:
    kinds = {"digests": "arrays", "metrics": "metrics", "config": "config", "other": "other"}
    return Content(folder=folder, **{field: facts.get(kind, {}) for field, kind in kinds.items()})


def _object(line: str) -> dict[str, Any]:
    try:
        facts = json.loads(line)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
