"""A server in the middle: it swaps the keys in the roster that it relays."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from flwr.app import Message

from fedleak.contracts.manipulation import manipulations

from ..layer import Layer
from .parts.lie import Lie, LyingRound
from .parts.place import Place
from .parts.played import Played, player_of, surrounded


@manipulations.register("forged-roster")
@dataclass(frozen=True, kw_only=True)
class ForgedRoster(Lie):
    """Man in the middle of the key agreement: the victim is shown forged keys of the others, they a forged one of it.

    The server plays all others towards the victim, so that the sum there is its update, and then the victim towards
    the others, with that update: the round ends as if nothing had happened. The paper asks for a public key
    infrastructure for this reason. Where the victim refuses, it is asked again with the true roster.
    """

    paper: ClassVar = "https://doi.org/10.1145/3133956.3133982"
    cites: ClassVar = "bonawitz2017practical"
    deed: ClassVar[str] = "relays forged keys between its victim and the others"
    takes: ClassVar[str] = "clients that do not know whose keys they are shown"
    replaces: ClassVar = True

    def above(self, inner: Layer, place: Place) -> Layer:
        return InTheMiddle(inner, self.victim, place)


class InTheMiddle(LyingRound):
    """Runs the round twice: with the victim alone, and without it."""

    def round(self, sent: list[Message], timeout: float | None) -> Iterable[Message]:
        found = surrounded(self.place, self.victim, sent, timeout)
        if found is None:
            return self.inner.send_and_receive(sent, timeout=timeout)
        [own] = [message for message in self.place.grid.leaving(sent) if self.place.client_of(message) == self.victim]
        grid = Played(self.place.grid, {own.metadata.dst_node_id: player_of(self.place, own, found)})
        replies = list(self.place.speak(grid, self.place.recorder).send_and_receive(sent, timeout=timeout))
        self.place.keep_opened(self.victim, found)
        return replies
