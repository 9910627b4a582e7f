"""Measuring: canaries through the channel of a subject, in one process or several, and what their scores say."""

import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
from jaxtyping import Float
from torch import Tensor

from fedleak import progress
from fedleak.accounting.gaussian import epsilon_of
from fedleak.dp_audit import one_run
from fedleak.dp_audit.bounds import Errors, least_mu
from fedleak.dp_audit.normal_scores import Estimate, estimated_mu, one_shot_epsilon, releases_for
from fedleak.dp_audit.one_run import Guesses
from fedleak.dp_audit.subject import Subject
from fedleak.dp_audit.tape import Tape

Scores = Float[np.ndarray, "3 scores"]
"""Scores times their canary's sign, these signs, and cosines times them."""
MOST = 60_000
"""Scores that are taken at most, however small what is claimed is."""
FEWEST = 200
_PIECES = 4
"""Parts of a measurement for each process, so that progress is seen."""
_SURE = 0.1
"""Share of the coins that the one-run bound guesses."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What scores say of one release."""

    scores: Float[np.ndarray, " scores"]
    """Each times the sign of its canary."""
    mu: Estimate
    guesses: Guesses
    """Of the signs of the tenth of the canaries whose scores are largest."""
    errors: Errors
    """Of the test whether a score is above 0, for the sign of its canary."""
    cosines: Float[np.ndarray, " scores"]
    """Of directions with what was seen, each times the sign of its canary."""
    dimension: int
    """Of what was seen."""

    def whatever_the_mechanism(self, delta: float, confidence: float) -> float:
        """A lower bound on epsilon of one release."""
        return one_run.least_epsilon(self.guesses, delta, confidence)

    def by_errors(self, delta: float, confidence: float) -> float:
        """One by a threshold on scores, for a mechanism with normal noise."""
        return epsilon_of(delta, least_mu(self.errors, confidence))

    def by_guesses(self, delta: float, confidence: float) -> float:
        """One by the surest guesses, for a mechanism with normal noise."""
        return one_run.least_normal_epsilon(self.guesses, delta, confidence)

    def one_shot(self, delta: float) -> float:
        """The one-shot estimate, under add-or-remove."""
        return one_shot_epsilon(self.cosines, self.dimension, delta)


def rounds_for(subject: Subject, delta: float, error: float) -> int:
    """Rounds that make the standard error of epsilon this share of it, within what is taken at least and at most."""
    claimed, more = epsilon_of(delta, subject.mu), epsilon_of(delta, 1.01 * subject.mu)
    steeper = 100 * (more / claimed - 1) if claimed else 1.0
    wanted = min(MOST, max(FEWEST, releases_for(subject.mu, error / steeper)))
    return max(1, math.ceil(wanted / subject.per_release))


def measure(subject: Subject, rounds: int, confidence: float, jobs: int = 1) -> Measured:
    """So many rounds of canaries; the same seed and the same number of rounds give the same, in how many processes
    whatever.
    """
    pieces = list(_pieces(subject, rounds))
    done, scores = 0, []
    for piece, found in zip(pieces, _played(pieces, jobs), strict=True):
        done += piece[1]
        progress.report(done, rounds)
        scores.append(found)
    signed, signs, cosines = np.concatenate(scores, axis=1)
    return Measured(
        scores=signed,
        mu=estimated_mu(signed, confidence),
        guesses=guesses_of(signed),
        errors=errors_of(signed, signs),
        cosines=cosines,
        dimension=subject.dimension,
    )


def guesses_of(signed: Float[np.ndarray, " scores"]) -> Guesses:
    """What comes of guessing that a score's sign is the canary's, for the tenth of them that are largest."""
    count = max(1, round(_SURE * len(signed)))
    surest = signed[np.argsort(-np.abs(signed), kind="stable")[:count]]
    return Guesses(canaries=len(signed), guesses=count, correct=int((surest > 0).sum()))


def errors_of(signed: Float[np.ndarray, " scores"], signs: Float[np.ndarray, " scores"]) -> Errors:
    """What comes of taking a score above 0 for a canary of sign 1."""
    right, ones = signed > 0, signs > 0
    return Errors(
        hits=int((right & ones).sum()),
        positives=int(ones.sum()),
        false_alarms=int((~right & ~ones).sum()),
        negatives=int((~ones).sum()),
    )


def _pieces(subject: Subject, rounds: int) -> Iterator[tuple[Subject, int]]:
    count = min(rounds, 2 * _PIECES)
    for place in range(count):
        yield replace(subject, drawn=None).reseeded("piece", place), rounds // count + (place < rounds % count)


def _played(pieces: list[tuple[Subject, int]], jobs: int) -> Iterator[Scores]:
    if jobs == 1 or len(pieces) == 1:
        yield from map(_scores, pieces)
        return
    with ProcessPoolExecutor(min(jobs, len(pieces)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_scores, pieces)


def _scores(piece: tuple[Subject, int]) -> Scores:
    subject, rounds = piece
    if subject.of_examples:
        return _of_steps(subject, rounds)
    federation = subject.federate("main", rounds, layout="whole" if subject.view == "message" else "apart")
    tape = Tape(canaries=federation.canaries)
    if subject.view == "message":
        federation.messages(tape.hear)
    else:
        federation.sums(tape.hear_sum)
    return np.array([tape.signed, tape.signs, tape.cosines], dtype=float)


def _of_steps(subject: Subject, rounds: int) -> Scores:
    stepping = subject.stepping("main", rounds, clients=subject.canaries)
    found: list[Scores] = []

    def heard(client: int, round: int, moved: Tensor) -> None:
        signs = np.array([stepping.sign(client, slot, round) for slot in range(stepping.canaries.count)])
        signed = stepping.canaries.scores(moved).numpy() * signs
        found.append(np.array([signed, signs, signed / max(float(moved.double().norm()), 1e-300)]))

    stepping.steps(heard)
    return np.concatenate(found, axis=1)
