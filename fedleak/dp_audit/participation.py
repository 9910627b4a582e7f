"""Participation: whether who is in a sample is the secret that the credit for sampling takes it for."""

import math

import numpy as np
from jaxtyping import Float
from torch import Tensor

from fedleak.dp_audit.normal_scores import least_mu
from fedleak.dp_audit.subject import Subject

_ROUNDS = 64
"""Of a run at most that are tried."""
_SCORES = 4096


def participation(subject: Subject, share: int, confidence: float) -> tuple[int, float]:
    """How many rounds were tried, and a lower bound on mu over all of them together.

    Examples keep their sign. When each is in is learnt from half of the clients, as if all drew alike, and the other
    half is read by it: where samples are a secret, that says no more than that all rounds count alike.
    """
    rounds = min(_ROUNDS, subject.guarantee.rounds)
    clients = max(8, math.ceil(_SCORES / share / 2) * 2)
    slots = max(share, _held(subject, clients, rounds))
    stepping = subject.stepping("participation", rounds, clients=clients, share=slots)
    said = np.zeros((clients, slots, rounds))

    def heard(client: int, round: int, moved: Tensor) -> None:
        scores = stepping.canaries.scores(moved).numpy()
        said[client, :, round - 1] = scores * [stepping.sign(client, slot, round) for slot in range(slots)]

    stepping.steps(heard)
    return rounds, least_mu(filtered(said), confidence)


def _held(subject: Subject, clients: int, rounds: int) -> int:
    """How many examples there are to draw from, as far as draws show."""
    if subject.drawn is None:
        return 0
    drawn = [subject.drawn(client, round) for client in range(clients) for round in range(1, rounds + 1)]
    return 1 + max(int(places.max()) for places in drawn)


def filtered(said: Float[np.ndarray, "clients slots rounds"]) -> Float[np.ndarray, " scores"]:
    """Scores of the second half of the clients over all rounds, weighed by when those of the first half had most."""
    half = len(said) // 2
    pattern = said[:half].mean(0)
    noise = said[:half].std(0, ddof=1) / math.sqrt(half)
    weights = np.where(pattern > 3 * noise, pattern, 0.0)
    weights = weights if weights.any() else np.ones_like(pattern)
    lengths = np.linalg.norm(weights, axis=1)
    known = lengths > lengths.max() / 2
    weights = weights[known] / lengths[known, None]
    found: Float[np.ndarray, " scores"] = (said[half:, known] * weights).sum(2).reshape(-1)
    return found
