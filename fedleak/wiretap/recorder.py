"""Recorder: messages and replies of a Flower server as lines of a journal; it imports no Flower."""

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from threading import RLock
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from fedleak.wiretap.journal import FORMAT, FullError, Journal

ROUND = "server-round"
"""What Flower's strategies call the round in the config that they send."""
METRICS_OF_BEFORE = ("fitres.metrics", "evaluateres.metrics")
"""Config records in which the older API sends metrics: their numbers are written like those of metric records."""
LONGEST_REASON = 300
KINDS = {"ArrayRecord": "arrays", "MetricRecord": "metrics", "ConfigRecord": "config"}
"""What a record holds, by the name of its class; of any other only the name of the class is written."""
NUMPY = "numpy.ndarray"
WIDEST = 8
"""Bytes of the widest numbers that safetensors has."""
LENGTH = slice(8, 10)
"""Where in a file of numpy's the length of its header stands."""
logger = logging.getLogger("fedleak.wiretap")


class Recorder:
    """Writes messages and replies, from any thread; keeps to itself what goes wrong."""

    def __init__(self, journal: Journal, most_rounds: int, values: Collection[str]) -> None:
        self._journal = journal
        self._most_rounds = most_rounds
        self._values = {*values, ROUND}
        self._tap = uuid4().hex[:8]
        self._lock = RLock()
        self._listening, self._bounded = True, False
        self._noted: set[str] = set()
        self._left_out = 0
        self._asked: dict[str, tuple[int | None, int]] = {}
        """Of messages without a reply their round, None where it is left out, and who was asked."""
        self._rounds: set[int] = set()
        self._calendar = Calendar()
        self._last: tuple[dict[str, bytes], str] | None = None
        self._line("tap", {"format": FORMAT}, reserved=True)

    def sent(self, messages: Sequence[Any], ids: Sequence[str | None] = ()) -> None:
        """Writes messages that were pushed, under the ids that they got by that, or that they have themselves."""
        known = frozenset(ids)
        for place, message in enumerate(messages):
            self._guarded(self._sent, message, known, ids[place] if len(ids) == len(messages) else None)

    def received(self, replies: Iterable[Any]) -> None:
        """Writes replies that were pulled."""
        for reply in replies:
            self._guarded(self._received, reply)

    def close(self) -> None:
        """Says how much was left out."""
        with self._lock:
            self._listening = False
            with suppress(OSError):
                self._line("end", {"left_out": self._left_out}, reserved=True)
            self._journal.close()

    def _guarded(self, write: Callable[..., None], *given: Any, **more: Any) -> None:
        """Nothing that goes wrong in here may reach the app."""
        with self._lock:
            if not self._listening:
                self._left_out += 1
                return
            try:
                write(*given, **more)
            except FullError as error:
                self._bound(str(error))
                self._listening = False
            except (OSError, MemoryError) as error:
                self._note("recording has ended", error)
                self._listening = False
            except Exception as error:  # noqa: BLE001  an odd message is left out, and the next is listened to
                self._left_out += 1
                self._note("a message is left out", error)

    def _sent(self, message: Any, ids: frozenset[str | None], given: str | None) -> None:
        metadata = message.metadata
        own = str(metadata.message_id or "")
        name = own if own and (own in ids or not ids) else given
        if ids and not name:
            return  # it could not be pushed
        name = name or f"unnamed-{uuid4().hex}"
        node, kind, group = int(metadata.dst_node_id), str(metadata.message_type), str(metadata.group_id or "")
        self._asked[name] = None, node
        records = records_of(message)
        round, known_by = self._calendar.round_of(records, node, kind, group)
        if round not in self._rounds and len(self._rounds) >= self._most_rounds:
            self._bound(f"{self._most_rounds} rounds")
            return
        self._rounds.add(round)
        where = {"id": name, "node": node, "type": kind, "group": group, "round": round, "round_from": known_by}
        self._line("sent", {**where, **self._content(message, records, sent=True)})
        self._asked[name] = round, node

    def _received(self, reply: Any) -> None:
        """Whose it is, the message says that it answers: for a node that died the SuperLink answers."""
        metadata = reply.metadata
        source = int(metadata.src_node_id)
        to = str(metadata.reply_to_message_id or self._asked_of(source))
        round, node = self._asked.pop(to, (None, source))
        if round is None:
            self._left_out += 1
            return
        where = {"to": to, "node": node, "from": source, "type": str(metadata.message_type), "round": round}
        self._line("reply", {**where, **self._content(reply, records_of(reply), sent=False)})

    def _asked_of(self, source: int) -> str:
        """The oldest message to a node that it has not answered, for grids that name none."""
        return next((name for name, (_, node) in self._asked.items() if node == source), "")

    def _content(self, message: Any, records: Mapping[str, Any], *, sent: bool) -> dict[str, Any]:
        if message.has_error():
            error = message.error
            return {"error": {"code": int(error.code), "reason": str(error.reason or "")[:LONGEST_REASON]}}
        content: dict[str, dict[str, Any]] = {}
        for name, record in records.items():
            kind = kind_of(record)
            said: Any = self._digest(record, sent) if kind == "arrays" else type(record).__name__
            if kind == "metrics":
                said = {str(key): plain(value) for key, value in record.items()}
            if kind == "config":
                numbers = int | float if name in METRICS_OF_BEFORE else ()
                said = {
                    str(key): plain(value) if key in self._values or isinstance(value, numbers) else None
                    for key, value in record.items()
                }
            content.setdefault(kind, {})[str(name)] = said
        return content

    def _digest(self, record: Mapping[str, Any], sent: bool) -> str:
        """Stores arrays. The same ones go to many clients: what was sent last is known again by its very bytes."""
        data = {key: array.data for key, array in record.items()}
        if sent and self._last is not None:
            last, digest = self._last
            if data.keys() == last.keys() and all(data[key] is last[key] for key in data):
                return digest
        arrays, foreign = arrays_in(record)
        digest = self._journal.store(arrays, foreign)
        if sent:
            self._last = data, digest
        return digest

    def _line(self, kind: str, facts: Mapping[str, Any], *, reserved: bool = False) -> None:
        self._journal.write({"kind": kind, "tap": self._tap, "time": time.time(), **facts}, reserved=reserved)

    def _bound(self, what: str) -> None:
        """Says in the journal, once, that what comes after is left out."""
        self._left_out += 1
        if not self._bounded:
            self._bounded = True
            self._guarded(self._line, "bound", {"bound": what}, reserved=True)

    def _note(self, what: str, error: BaseException) -> None:
        if what not in self._noted:
            self._noted.add(what)
            logger.warning("%s: %s: %s", what, type(error).__name__, error)


class Calendar:
    """Which round a message is of: by its config, else by its group, else counted."""

    def __init__(self) -> None:
        self._groups: dict[str, int] = {}
        self._counted, self._reached = 1, set[tuple[int, str]]()

    def round_of(self, records: Mapping[str, Any], node: int, kind: str, group: str) -> tuple[int, str]:
        """The round, and what it is known by. A counted one begins where a node is asked again for the same."""
        said = [record.get(ROUND) for record in records.values() if kind_of(record) == "config"]
        known = [one for one in said if isinstance(one, int) and not isinstance(one, bool)]
        if known:
            return known[0], ROUND
        if group:
            return int(group) if group.isdecimal() else self._groups.setdefault(group, len(self._groups) + 1), "group"
        if (node, kind) in self._reached:
            self._counted += 1
            self._reached.clear()
        self._reached.add((node, kind))
        return self._counted, "counted"


def records_of(message: Any) -> Mapping[str, Any]:
    """What a message carries; of an error nothing."""
    return message.content if message.has_content() else {}


def kind_of(record: object) -> str:
    """What a record holds, in the words of the journal."""
    return next((KINDS[cls.__name__] for cls in type(record).__mro__ if cls.__name__ in KINDS), "other")


def arrays_in(record: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays of a record as they are; those that safetensors has no type for as bytes, and what these are of."""
    arrays: dict[str, NDArray[Any]] = {}
    foreign: dict[str, Any] = {}
    for key, array in record.items():
        value = in_numpy(array.data) if array.stype == NUMPY else None
        if value is None or value.dtype.kind not in "fiub" or value.dtype.itemsize > WIDEST:
            foreign[str(key)] = {"stype": array.stype, "dtype": str(array.dtype), "shape": list(array.shape)}
            value = np.ndarray(len(array.data), np.uint8, array.data)
        arrays[str(key)] = value.astype(value.dtype.newbyteorder("="), copy=False)
    return arrays, foreign


def in_numpy(data: bytes) -> NDArray[Any] | None:
    """What is in a file of numpy's, not copied; None where it cannot be read.

    What it says of itself is parsed once for all files that say the same: that takes longer than all the rest.
    """
    begins = LENGTH.stop + int.from_bytes(data[LENGTH], "little")
    try:
        shape, columns_first, dtype = _header(data[:begins])
        return np.ndarray(shape, dtype, data, begins, order="F" if columns_first else "C")
    except (ValueError, TypeError):
        return None


@lru_cache(maxsize=1024)
def _header(begin: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    file = BytesIO(begin)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version")
    shape, columns_first, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject:
        raise ValueError("objects of Python")
    return shape, columns_first, dtype


def plain(value: Any) -> Any:
    """What JSON can hold: a number that is not finite as text, bytes in hexadecimal."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, bool | int | float | str) else str(value)
