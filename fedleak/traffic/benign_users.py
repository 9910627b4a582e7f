"""Benign users: who asks a model test images and means no harm, as a detector's false alarms are counted by them."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.traffic import Asked
from fedleak.errors import DataError
from fedleak.evaluation.released import as_released
from fedleak.evaluation.views import other_usual_queries, usual_queries
from fedleak.randomness import generator
from fedleak.recording.files import read_recording
from fedleak.serving.log import QueryLog
from fedleak.serving.served_model import ServedModel
from fedleak.traffic.asked_cells import AskedCell

UNUSUAL = 0.01
"""The share of usual queries that are less sure than those which are called unusual."""

FIRST = 256
"""Queries of the first request where one follows another."""


@dataclass(frozen=True, kw_only=True)
class BenignUsers:
    """Users of one model. Half of the test images is for detectors to learn from, the other is asked, none twice."""

    learnt: Float[Tensor, "learnt *shape"]
    """What detectors learn from."""
    asked: QueryLog
    """What there is to ask, once each, of the model that the attack asked, whose answers nothing defends."""
    seed: tuple[object, ...]
    _derived: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, cell: AskedCell) -> "BenignUsers":
        """The users of the model that a cell asked; raises `RecordingError` where its recording is missing."""
        recording = read_recording(cell.recording)
        released = as_released(recording.released(), recording.source, cell.chain, recording.seed)
        images = other_usual_queries(recording.source)
        if not len(images):
            raise DataError(f"'{released.task.name}' has no test image that users could ask; give it more examples")
        service = ServedModel(released.task, released.weights, queries=len(images))
        service.ask(images)
        seed = "benign user", released.task.name, cell.row.seed, cell.row.round
        return cls(learnt=usual_queries(recording.source), asked=service.log, seed=seed)

    def __len__(self) -> int:
        """How many queries a user has."""
        return len(self.asked)

    def beside(self, log: QueryLog) -> Asked:
        """A log as one request to detectors that have learnt of these users, which they do once."""
        asked = log.replayed(self.learnt)
        return replace(asked, history=replace(asked.history, derived=self._derived))

    def following(self, log: QueryLog) -> Iterator[Asked]:
        """A log as requests one after another, each as long as all before it, to be left at the first refusal."""
        derived, after = dict(self._derived), 0
        while after < len(log):
            ahead = log[: max(FIRST, 2 * after)]
            asked = ahead.replayed(self.learnt, after=after)
            yield replace(asked, history=replace(asked.history, derived=derived))
            after = len(ahead)

    def user(self, number: int) -> QueryLog:
        """What one of them asks: all images, in an order of that user's own."""
        return self.asked[torch.randperm(len(self), generator=generator(*self.seed, number))]

    @cached_property
    def least_sure(self) -> float:
        """The top confidence that 1 in 100 of these queries is below, or fewer."""
        return float(torch.quantile(self.asked.probabilities.amax(1), UNUSUAL, interpolation="lower"))
