"""Where a falling function crosses zero; defenses reckon at import of a chain, and scipy would take half a second."""

from collections.abc import Callable


def crossing(falling: Callable[[float], float], low: float, high: float, tolerance: float = 0.0) -> float:
    """The least place known to be at or below zero, at most `tolerance` above the crossing; 0 is as near as floats get.

    The function is above zero at `low` and not at `high`.
    """
    while high - low > tolerance:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high
