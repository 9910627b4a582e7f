"""Protocol layer: what the layers that speak a protocol with clients have in common."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

from flwr.app import Message, MessageType
from flwr.serverapp import Grid

from fedleak.contracts.defense import Defense
from fedleak.federation.plan import FederationPlan

from .layer import Layer
from .recorder import Recorder
from .roster import Roster

DefenseT = TypeVar("DefenseT", bound=Defense)


class ProtocolLayer(Layer, Generic[DefenseT]):
    """Turns a training round into the stages of a protocol; everything else goes through."""

    def __init__(
        self, inner: Grid, roster: Roster, defense: DefenseT, plan: FederationPlan, recorder: Recorder | None
    ) -> None:
        super().__init__(inner)
        self._roster = roster
        self._defense = defense
        self._plan = plan
        self._recorder = recorder

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        if not sent or sent[0].metadata.message_type != MessageType.TRAIN:
            return self.inner.send_and_receive(sent, timeout=timeout)
        return self._round(sent, timeout)

    @abstractmethod
    def _round(self, sent: list[Message], timeout: float | None) -> list[Message]:
        """One reply with the mean, for the strategy; none where the round is lost."""
