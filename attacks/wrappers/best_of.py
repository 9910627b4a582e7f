"""Restarts: several runs of another attack, of which the one with the lowest own loss counts."""

import math
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.view import View
from fedleak.progress import listening, report
from fedleak.settings.base import Count

Attempt = Callable[[Generator], Reconstruction]


def best_of(attempt: Attempt, restarts: int, rng: Generator, tolerance: float = -math.inf) -> Reconstruction:
    """The guess of lowest mismatch among `restarts` attempts; stops early at one of at most `tolerance`.

    An attempt that failed or has no mismatch counts only where there is no other.
    """
    best = attempted(0, restarts, attempt, rng)
    for number in range(1, restarts):
        if best.mismatch <= tolerance:
            break
        best = min(best, attempted(number, restarts, attempt, rng), key=_rank)
    report(restarts, restarts)
    return best


def _rank(guess: Reconstruction) -> tuple[bool, float]:
    return guess.failure is not None, guess.mismatch if math.isfinite(guess.mismatch) else math.inf


def attempted(number: int, attempts: int, attempt: Attempt, rng: Generator) -> Reconstruction:
    """One of several attempts, whose progress is reported as its share of all."""
    outside = copy_context()
    with listening(lambda done, total: outside.run(report, number * total + done, attempts * total)):
        return attempt(rng)


@attacks.register("best-of")
@dataclass(frozen=True, kw_only=True)
class BestOf(Attack[View]):
    """Runs an attack from several starts and keeps the guess of lowest mismatch: the attacker's own choice.

    For gradient matching this is what an adversary with time does; it never looks at the quality of the guess.
    """

    paper: ClassVar = "https://arxiv.org/abs/2003.14053"
    cites: ClassVar = "geiping2020inverting"
    attack: Attack[View]
    """The attack that is repeated."""
    restarts: Count = 8
    """How often."""

    @property
    def targets(self) -> frozenset[Kind]:
        return self.attack.targets

    def reconstruct(self, observation: View, rng: Generator) -> Reconstruction:
        return best_of(lambda rng: self.attack.run(observation, rng), self.restarts, rng)
