"""Peak memory of some work beyond what the process held before, where the system can tell."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""What resets the high-water mark of resident memory; see proc(5)."""


@dataclass
class Footprint:
    """Bytes at the peak beyond those before; NaN until the work is over, and where Linux is not what runs it."""

    bytes: float = nan


@contextmanager
def footprint() -> Iterator[Footprint]:
    """Measures the block by the process's resident memory: whatever else runs in the process at that time counts too.

    Memory that was freed is given back first, or else work that reuses it would seem to take none.
    """
    found, before = Footprint(), _resident("VmRSS") if _reset() else nan
    yield found
    found.bytes = max(_resident("VmHWM") - before, 0.0)


def _reset() -> bool:
    try:
        ctypes.CDLL(None).malloc_trim(0)
        _CLEAR.write_text(_RESET_PEAK)
    except (OSError, AttributeError):  # no Linux, no glibc, or not allowed
        return False
    return True


def _resident(field: str) -> float:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return nan
    sizes = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return 1024.0 * float(sizes[0]) if sizes else nan
