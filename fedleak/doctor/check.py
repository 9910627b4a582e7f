"""Check: one line of what the doctor found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "missing"]
"""Good; worth knowing; or needed and not there."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at, what is there, and what to do about it."""

    topic: str
    what: str
    state: State
    found: str
    remedy: str = ""
    """Empty where there is nothing to do."""


def gibibytes(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 2**30:.1f} GiB"
