"""Digests of arrays at a tap and at the clients, in processes of Flower's that a test cannot reach into.

What Python imports first in each of them is `sitecustomize`: here one that puts the tap around the grid of whatever
ServerApp is called, and has every ClientApp keep digests of the arrays that it gets and gives.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fedleak.wiretap import FOLDER
from fedleak.wiretap.journal import read_journal

KEPT = "FEDLEAK_TEST_DIGESTS"
GOT, GAVE = "got", "gave"
LISTENING = f"""
import sys
from types import SimpleNamespace

from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from fedleak.wiretap import tap
from tests.end_to_end.digests import keep

serve, answer = ServerApp.__call__, ClientApp.__call__

def answered(self, message, context):
    keep("{GOT}", message)
    reply = answer(self, message, context)
    keep("{GAVE}", reply)
    return reply

ServerApp.__call__ = lambda self, grid, context: serve(self, tap(grid), context)
ClientApp.__call__ = answered

if "flower-supernode" in " ".join(sys.orig_argv):  # no message waits for 3 seconds until a node asks
    import time
    import flwr.supernode.start_client_internal as node
    node.time = SimpleNamespace(**{{**vars(time), "sleep": lambda seconds: time.sleep(min(seconds, 0.2))}})
"""


def listening(place: Path, around: Mapping[str, str]) -> dict[str, str]:
    """Surroundings of a program in which all is listened to; what is heard is kept below `place`."""
    early, root = place / "listening", Path(__file__).resolve().parents[2]
    early.mkdir(parents=True, exist_ok=True)
    (early / "sitecustomize.py").write_text(LISTENING)
    paths = (str(early), around["PYTHONPATH"], str(root))
    return {**around, "PYTHONPATH": os.pathsep.join(paths), FOLDER: str(place / "wire"), KEPT: str(place / "digests")}


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Of names, types, shapes and bytes, in no way that the tap knows."""
    whole = hashlib.md5()
    for name, array in sorted(arrays.items()):
        whole.update(repr((name, str(array.dtype), array.shape)).encode() + array.tobytes())
    return whole.hexdigest()


def keep(way: str, message: object) -> None:
    """Writes the digests of a message's arrays, from within a client; one with an error has none."""
    content = message.content if message.has_content() else None  # type: ignore[attr-defined]
    for record in [] if content is None else content.array_records.values():
        line = f"{way} {digest({name: array.numpy() for name, array in record.items()})}\n"
        with open(os.environ[KEPT], "a") as file:  # noqa: PTH123  one write, whole among those of others
            file.write(line)


def at_clients(place: Path) -> dict[str, Counter[str]]:
    """By way the digests that all clients kept."""
    lines = [line.split() for line in (place / "digests").read_text().splitlines()]
    return {way: Counter(found for kept, found in lines if kept == way) for way in (GOT, GAVE)}


def at_the_tap(place: Path) -> dict[str, Counter[str]]:
    """The same of what the tap wrote: it has what was sent, and what came back."""
    heard = read_journal(place / "wire")
    ways = {GOT: [one.sent for one in heard], GAVE: [one.received for one in heard if one.received is not None]}
    return {
        way: Counter(digest(part.arrays(name)) for part in parts for name in part.digests)
        for way, parts in ways.items()
    }
