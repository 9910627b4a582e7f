"""Audit of a run's queries: what an operator would have seen of each attack, and which attacks stay unseen."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fedleak import progress
from fedleak.analysis.conditions import Condition, condition_of_row
from fedleak.contracts.defense import defenses
from fedleak.contracts.detector import Detector
from fedleak.randomness import one_thread
from fedleak.runs.reading import FinishedRun
from fedleak.statistics.roc import Share
from fedleak.traffic.asked_cells import AskedCell, AskedModel, seen_cells
from fedleak.traffic.benign_users import BenignUsers
from fedleak.traffic.detection import Detection, detection_of
from fedleak.traffic.trials import Trials, joined, trials_of_users

USERS = 100
"""Benign users, over all models of an attack's cells: of fewer, 1% would be none. Limit: of one model they ask the same
images, in different orders."""


@dataclass(frozen=True, kw_only=True)
class AttackTraffic:
    """One attack under one defense and setting, over all seeds."""

    condition: Condition
    defense: str
    attack: str
    cells: int
    queries: float
    """The mean over cells."""
    refused: float
    """The share of queries that the run's own defenses did not answer."""
    unsure: Share
    """The share of queries whose top confidence is below that of 99 of 100 benign queries to the same model."""
    detections: tuple[Detection, ...]
    """One for each detector there is, with its defaults."""

    @property
    def unseen(self) -> bool:
        """Whether every detector there is misses it."""
        return all(one.unseen for one in self.detections)

    @property
    def name(self) -> str:
        """The attack, and where it was tried."""
        return f"{self.attack} ({self.condition.words}; {self.defense})"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """All attacks of a run that asked, in the order of the results."""

    traffic: tuple[AttackTraffic, ...]

    @property
    def unseen(self) -> tuple[AttackTraffic, ...]:
        """The attacks that stay below all detectors."""
        return tuple(one for one in self.traffic if one.unseen)


def audit(run: FinishedRun) -> Audit:
    """Judges the logs of a run; raises `ConfigError` where there are none, `RecordingError` where one is damaged."""
    groups: dict[tuple[Condition, str, str], list[AskedCell]] = {}
    for cell in seen_cells(run):
        groups.setdefault((condition_of_row(cell.row), cell.row.defense, cell.row.attack), []).append(cell)
    all_cells = [cell for cells in groups.values() for cell in cells]
    models = {cell.model for cell in all_cells}
    known = Known(
        length=max((len(cell.log) for cell in all_cells), default=0),
        steps=len(detectors()) * (len(models) + len(groups)),
    )
    with one_thread():
        return Audit(traffic=tuple(_traffic(*where, cells, known) for where, cells in groups.items()))


def detectors() -> list[Detector]:
    """Every detector that is installed, with its defaults."""
    built = (defenses.build(cls.name, {}) for cls in defenses if issubclass(cls, Detector))
    return [one for one in built if isinstance(one, Detector)]


@dataclass
class Known:
    """What was worked out of benign users: it is the same for all attacks on a model."""

    length: int
    """Queries of a user that are judged: as many as the longest log of the run has, so that each finds its like."""
    steps: int
    """Detectors on the users of a model, and on an attack, that there are about."""
    done: int = 0
    users: dict[AskedModel, BenignUsers] = field(default_factory=dict)
    trials: dict[tuple[AskedModel, Detector, int], Trials] = field(default_factory=dict)

    def users_of(self, cell: AskedCell) -> BenignUsers:
        """The users of the model that a cell asked."""
        if cell.model not in self.users:
            self.users[cell.model] = BenignUsers.of(cell)
        return self.users[cell.model]

    def trials_of(self, detector: Detector, cells: Sequence[AskedCell]) -> Trials:
        """The trials of benign users, evenly many of each model that the cells asked."""
        models = {cell.model: self.users_of(cell) for cell in cells}
        number = -(-USERS // len(models))
        for model, users in models.items():
            if (model, detector, number) not in self.trials:
                self.trials[model, detector, number] = trials_of_users(detector, users, number, self.length)
                self.over()
        return joined([self.trials[model, detector, number] for model in models])

    def over(self) -> None:
        """One more step is."""
        self.done += 1
        progress.report(self.done, max(self.done, self.steps))


def _traffic(
    condition: Condition, defense: str, attack: str, cells: Sequence[AskedCell], known: Known
) -> AttackTraffic:
    users, detections = [known.users_of(cell) for cell in cells], []
    for detector in detectors():
        detections.append(detection_of(detector, cells, users, known.trials_of(detector, cells)))
        known.over()
    confidences = [cell.log.probabilities.amax(1) for cell in cells]
    unsure = [float((own < benign.least_sure).double().mean()) for own, benign in zip(confidences, users, strict=True)]
    asked = [len(cell.log) for cell in cells]
    return AttackTraffic(
        condition=condition,
        defense=defense,
        attack=attack,
        cells=len(cells),
        queries=float(np.mean(asked)),
        refused=sum(int(cell.log.refused.sum()) for cell in cells) / sum(asked),
        unsure=Share.of(unsure, [cell.row.seed for cell in cells], "cell"),
        detections=tuple(detections),
    )
