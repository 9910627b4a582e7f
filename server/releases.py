"""Releases: records the model after the rounds in which it leaves the federation."""

from collections.abc import Callable
from dataclasses import dataclass

from flwr.app import ArrayRecord

from .recorder import Recorder

AfterRound = Callable[[int, ArrayRecord], None]
"""What a strategy calls after each round with the new model; first, as round 0, with the one that it starts from."""


@dataclass(frozen=True)
class Releases:
    """What a strategy calls after each round: records the model where it leaves, then does what else is to be done."""

    recorder: Recorder
    then: AfterRound | None

    def __call__(self, round: int, arrays: ArrayRecord) -> None:
        if self.recorder.plan.released(round):
            self.recorder.model(round, arrays)
        if self.then is not None:
            self.then(round, arrays)
