"""A server that asks for the same round twice, the second time without its victim."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from flwr.app import Message

from fedleak.contracts.manipulation import manipulations
from fedleak.federation import wire
from fedleak.learning.weights import NamedTensors
from fedleak.recording.payload import RING
from fedleak.recording.recording import Recording

from ..layer import Layer
from .parts.lie import Lie, LyingRound
from .parts.place import Place


@manipulations.register("asks-twice")
@dataclass(frozen=True, kw_only=True)
class AsksTwice(Lie):
    """Differencing of two sums: one round is run twice with the same model, and the second time without the victim.

    A client that answers again sends the same update again, so the difference of the sums is the victim's. Under the
    paper's protocol keys are of one round: who answers twice for two lists of clients has left it.
    """

    paper: ClassVar = "https://doi.org/10.1145/3133956.3133982"
    cites: ClassVar = "bonawitz2017practical"
    deed: ClassVar[str] = "asks for the same round twice, the second time without its victim"
    takes: ClassVar[str] = "clients that answer a round again for another list of clients"

    def above(self, inner: Layer, place: Place) -> Layer:
        return AskingTwice(inner, self.victim, place)


class AskingTwice(LyingRound):
    """Has the protocol open the sum of the others once that of all is known."""

    def round(self, sent: list[Message], timeout: float | None) -> Iterable[Message]:
        round = wire.round_of(sent[0].content)
        replies = list(self.inner.send_and_receive(sent, timeout=timeout))
        everybody = self.place.recorded("aggregate", self.victim, round)
        others = [message for message in self.place.grid.leaving(sent) if self.place.client_of(message) != self.victim]
        if everybody is None or self.victim not in everybody.cohort or not others:
            return replies
        rest = self.place.sum_over(self.place.roster, others, timeout)
        if rest is not None and {*rest.cohort} == {*everybody.cohort} - {self.victim}:
            examples = (everybody.num_examples or 0) - (rest.num_examples or 0)
            self.place.keep(self.victim, round, difference(everybody, rest, examples), examples)
        return replies


def difference(everybody: Recording, rest: Recording, examples: int) -> NamedTensors:
    """What is in the one sum and not in the other: in the ring if they lie there, else as weights after training."""
    if RING in everybody.payload:
        return {RING: everybody.payload[RING] - rest.payload[RING]}
    weights = (everybody.num_examples or 0), (rest.num_examples or 0)
    return {
        name: ((weights[0] * value.double() - weights[1] * rest.payload[name].double()) / examples).to(
            value.dtype if value.dtype.is_floating_point else torch.float64
        )
        for name, value in everybody.payload.items()
    }
