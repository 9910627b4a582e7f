"""Detection: how well one detector tells an attack's traffic from that of benign users."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from fedleak.contracts.detector import Detector
from fedleak.metrics.placement import Placement
from fedleak.statistics.roc import Share, each, found_at, roc
from fedleak.traffic.asked_cells import AskedCell
from fedleak.traffic.benign_users import BenignUsers
from fedleak.traffic.trials import Trials, trials_of_log

FALSE_ALARMS = 0.01
"""The share of benign trials that may be taken for an attack."""
ROUNDING = 1e-9
RATES = (*np.linspace(0, 0.1, 41).tolist(), *np.linspace(0.1, 1, 37)[1:].tolist())
"""Shares of false alarms at which a curve is drawn: close together where an operator would be."""


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What one detector makes of one attack."""

    detector: str
    judges: str
    """`users`, by streams, or single `queries`."""
    trials: int
    """Of the attack, in all cells."""
    length: tuple[int, int]
    """Queries in a trial, from the shortest to the longest."""
    benign: int
    """Benign trials that those of a cell are compared with."""
    caught: Share
    """The true positive rate at 1% false alarms, which is met exactly: tied scores count in part."""
    auc: Share
    """The chance that a trial of the attack is more suspicious than a benign one; .5 is no difference at all."""
    refused: Share
    """The share of trials of which the detector as it is by default refuses something."""
    false_alarms: float
    """The same of benign trials of the same lengths."""
    blocked_after: float
    """Queries until the detector, as it is by default, refuses the first: the median over cells, infinite for never."""
    blocked: int
    """Cells in which it refuses any."""
    curve: tuple[tuple[float, float], ...]
    """The ROC: the true positive rate over that of false alarms."""

    @property
    def unseen(self) -> bool:
        """Whether it catches no more of the attack than of users who mean no harm.

        One that judges users must not block any cell either, where all of its queries come from one user; single
        queries that are refused say little, as users who mean no harm have some refused too.
        """
        return self.caught.mean <= FALSE_ALARMS + ROUNDING and not (self.judges == "users" and self.blocked)


def detection_of(
    detector: Detector, cells: Sequence[AskedCell], users: Sequence[BenignUsers], benign: Trials
) -> Detection:
    """A detector on the cells of an attack, each with the users of its model.

    `benign` has the trials of all users that are compared with, of every model: rows of streams, or single queries.
    """
    own = [trials_of_log(detector, cell.log, asked) for cell, asked in zip(cells, users, strict=True)]
    streams = detector.judges == "users"
    lengths = [min(len(cell.log), len(asked)) if streams else 1 for cell, asked in zip(cells, users, strict=True)]
    beside = [benign[:, length - 1] if streams else benign for length in lengths]
    placed = [Placement.of(one.scores, others.scores) for one, others in zip(own, beside, strict=True)]

    def share(value: Callable[[Placement], Tensor]) -> Share:  # the threshold counts as given in its interval
        return _share(cells, each(placed, value))

    first = [_blocked_after(detector, *one) for one in zip(cells, users, own, strict=True)]
    return Detection(
        detector=detector.name,
        judges=detector.judges,
        trials=sum(len(one.scores) for one in own),
        length=(min(lengths), max(lengths)),
        benign=len(beside[0].scores),
        caught=share(found_at(FALSE_ALARMS)),
        auc=share(lambda one: one.below),
        refused=_share(cells, [float(one.refused.double().mean()) for one in own]),
        false_alarms=float(np.mean([float(one.refused.double().mean()) for one in beside])),
        blocked_after=float(np.median(first)),
        blocked=sum(map(math.isfinite, first)),
        curve=roc(placed, RATES),
    )


def _share(cells: Sequence[AskedCell], values: Sequence[float]) -> Share:
    return Share.of(values, [cell.row.seed for cell in cells], "cell")


def _blocked_after(detector: Detector, cell: AskedCell, users: BenignUsers, trials: Trials) -> float:
    """Queries of a cell until the first that is refused, where all come from one user; infinite where none is."""
    if detector.judges == "queries":
        return _first(trials.refused)
    requests = ((len(asked.history), ~detector.admits(asked)) for asked in users.following(cell.log))
    return next((before + _first(refused) for before, refused in requests if refused.any()), math.inf)


def _first(refused: Bool[Tensor, " asked"]) -> float:
    """The first of them, from 1; infinite where there is none."""
    places = torch.nonzero(refused).flatten()
    return float(places[0]) + 1 if len(places) else math.inf
