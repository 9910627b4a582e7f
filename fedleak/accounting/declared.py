"""Declared epsilon: what a setting says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What is claimed."""

    epsilon: float
    delta: float
    over_run: bool = False
    """Whether it is said of the whole run; else of one round."""
