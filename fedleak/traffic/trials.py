"""Trials: what a detector is judged by. A stream of queries where it judges users, else each query by itself."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fedleak.contracts.detector import Detector
from fedleak.serving.log import QueryLog
from fedleak.traffic.benign_users import BenignUsers


@dataclass(frozen=True, kw_only=True)
class Trials:
    """How suspicious each trial was at its most, and whether the detector as it is would have refused any of it."""

    scores: Float[Tensor, "*trials"]
    refused: Bool[Tensor, "*trials"]

    @classmethod
    def of(cls, detector: Detector, log: QueryLog, users: BenignUsers) -> "Trials":
        """One for each query: by itself, or as all that its user asked up to it."""
        asked = users.beside(log)
        scores, refused = detector.score(asked), ~detector.admits(asked)
        if detector.judges == "users" and len(log):
            scores, refused = scores.cummax(0).values, refused.cummax(0).values
        return cls(scores=scores, refused=refused)

    def __getitem__(self, places: int | tuple[slice, int]) -> "Trials":
        return Trials(scores=self.scores[places], refused=self.refused[places])


def joined(trials: list[Trials]) -> Trials:
    """Trials one after another."""
    scores, refused = [one.scores for one in trials], [one.refused for one in trials]
    return Trials(scores=torch.cat(scores), refused=torch.cat(refused))


def stacked(trials: list[Trials]) -> Trials:
    """Trials of the same shape as rows."""
    scores, refused = [one.scores for one in trials], [one.refused for one in trials]
    return Trials(scores=torch.stack(scores), refused=torch.stack(refused))


def trials_of_log(detector: Detector, log: QueryLog, users: BenignUsers) -> Trials:
    """Those of an attack, at the same rate as a user's.

    Where users are judged, the log is cut into as many streams as it fills of the length that a benign user has, as if
    the attacker had opened an account for each; a shorter log is one stream, and what is left over is in none.
    """
    if detector.judges == "queries" or not len(log):
        return Trials.of(detector, log, users)
    length = min(len(log), len(users))
    starts = range(0, len(log) - length + 1, length)
    return stacked([Trials.of(detector, log[start : start + length], users)[-1] for start in starts])


def trials_of_users(detector: Detector, users: BenignUsers, number: int, length: int) -> Trials:
    """Those of benign users: a row for each user with its state after every query, or all queries once.

    A user is followed for the first `length` queries: no longer than the longest log that users are compared with.
    """
    if detector.judges == "queries":
        return Trials.of(detector, users.asked, users)
    return stacked([Trials.of(detector, users.user(one)[:length], users) for one in range(number)])
