"""Wiretap for somebody's own Flower server: what crosses the wire is written down, where a variable asks for that.

`grid = tap(grid)` in the app's main function is all. It needs Flower, numpy and safetensors, and nothing else of
fedleak; what it writes is described in docs/recording.md.
"""

import logging
import os
from collections.abc import Collection
from typing import TypeVar

FOLDER = "FEDLEAK_WIRETAP"
"""The variable that asks for a recording, and names the folder for it."""
BYTES, ROUNDS, VALUES = f"{FOLDER}_BYTES", f"{FOLDER}_ROUNDS", f"{FOLDER}_VALUES"
"""Variables that override the arguments of `tap`; the last is a list of names with commas."""
MOST_BYTES, MOST_ROUNDS = 2 * 1024**3, 100
GridT = TypeVar("GridT")
"""A `Grid` of Flower, which is not imported where nothing is recorded."""
logger = logging.getLogger("fedleak.wiretap")


def tap(
    grid: GridT, *, most_bytes: int = MOST_BYTES, most_rounds: int = MOST_ROUNDS, values: Collection[str] = ()
) -> GridT:
    """The grid, and one that writes all messages down where the variable FEDLEAK_WIRETAP names a folder.

    The folder grows to `most_bytes` and has `most_rounds` rounds at most. Of config records names are written; values
    only of the names in `values`. Nothing that goes wrong in it is raised: the logger `fedleak.wiretap` says it once,
    and the app goes on.
    """
    folder = os.environ.get(FOLDER, "")
    if not folder:
        return grid
    try:
        from fedleak.wiretap.grid import tapped

        listed = os.environ.get(VALUES)
        return tapped(  # type: ignore[no-any-return]
            grid,
            folder,
            most_bytes=int(os.environ.get(BYTES, most_bytes)),
            most_rounds=int(os.environ.get(ROUNDS, most_rounds)),
            values=frozenset(values if listed is None else (name.strip() for name in listed.split(","))),
        )
    except Exception as error:  # noqa: BLE001  an app must run as it would without
        logger.warning("nothing is recorded: %s: %s", type(error).__name__, error)
        return grid
