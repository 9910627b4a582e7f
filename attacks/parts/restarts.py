"""Several attempts, the best chosen by the attacker's own loss, never by the truth."""

import math
from collections.abc import Callable
from contextvars import copy_context

from torch import Generator

from fedleak.contracts.reconstruction import Reconstruction
from fedleak.progress import listening, report

Attempt = Callable[[Generator], Reconstruction]


def best_of(attempt: Attempt, restarts: int, rng: Generator, tolerance: float = -math.inf) -> Reconstruction:
    """The guess of lowest mismatch among `restarts` attempts; stops early at one of at most `tolerance`.

    An attempt that failed or has no mismatch counts only where there is no other.
    """
    best = _within(0, restarts, attempt, rng)
    for number in range(1, restarts):
        if best.mismatch <= tolerance:
            break
        best = min(best, _within(number, restarts, attempt, rng), key=_rank)
    report(restarts, restarts)
    return best


def _rank(guess: Reconstruction) -> tuple[bool, float]:
    return guess.failure is not None, guess.mismatch if math.isfinite(guess.mismatch) else math.inf


def _within(number: int, restarts: int, attempt: Attempt, rng: Generator) -> Reconstruction:
    """One attempt, whose progress is told as its share of all."""
    outside = copy_context()
    with listening(lambda done, total: outside.run(report, number * total + done, restarts * total)):
        return attempt(rng)
