"""A server that is all the other clients."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from flwr.app import Message, MetricRecord

from fedleak.contracts.manipulation import manipulations
from fedleak.errors import FederationError
from fedleak.federation import wire

from ..layer import Layer
from .parts.lie import Lie, LyingRound
from .parts.place import Place
from .parts.played import surrounded


@manipulations.register("sybils")
@dataclass(frozen=True, kw_only=True)
class Sybils(Lie):
    """Sybil devices: the victim is the only client of its round whose keys and update the server does not know.

    All others advertise keys that the server drew and send nothing into the sum, which is the victim's update then.
    Noise that clients share is missing too, but for the victim's own part. A registry of identity keys that reached
    the victim by another way has no sybil in it.
    """

    paper: ClassVar = "https://arxiv.org/abs/2301.04017"
    cites: ClassVar = "boenisch2023reconstructing"
    deed: ClassVar[str] = "runs the round with its victim among clients of its own"
    takes: ClassVar[str] = "clients that do not know whose keys they are shown"
    replaces: ClassVar = True

    def above(self, inner: Layer, place: Place) -> Layer:
        return AmongSybils(inner, self.victim, place)


class AmongSybils(LyingRound):
    """Asks nobody but the victim; where it refuses, the round is lost."""

    def round(self, sent: list[Message], timeout: float | None) -> Iterable[Message]:
        found = surrounded(self.place, self.victim, sent, timeout)
        if found is None:
            reason = FederationError(f"client {self.victim} did not believe that the server's own clients are others")
            self.place.roster.lost(wire.round_of(sent[0].content), reason, left=True)
            return []
        self.place.keep_opened(self.victim, found)
        metrics = MetricRecord({wire.NUM_EXAMPLES: found.num_examples or 0})
        return [wire.answer(sent[0], arrays=wire.to_arrays(found.state), metrics=metrics)]
