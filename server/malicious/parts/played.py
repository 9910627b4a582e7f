"""Played: a grid in which the server answers for some of the clients."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from flwr.app import ConfigRecord, Message

from fedleak.defenses.secure_aggregation import SecureAggregation, masking_of
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.recording.payload import RING
from fedleak.recording.recording import Recording
from fedleak.secure_aggregation.client import Client
from fedleak.secure_aggregation.keys import Seeded
from fedleak.secure_aggregation.masks import RINGS
from fedleak.secure_aggregation.member import Member
from fedleak.secure_aggregation.ring import Elements

from ...layer import Layer
from .flower_player import FlowerPlayer
from .place import Place

STAGES: Mapping[str, str] = {kind: stage for stage, kind in wire.MESSAGE_TYPES.items()}


@runtime_checkable
class Player(Protocol):
    """A client that the server makes up, in one round."""

    def answer(self, message: Message) -> Message:
        """What it says to a message of the protocol."""


class Played(Layer):
    """A grid whose messages reach real clients, but for those who are played."""

    def __init__(self, inner: Layer, players: Mapping[int, Player], *, needs_somebody: bool = False) -> None:
        """`players` by node; `needs_somebody`: raises where no real client answers, as the rest would be of nobody."""
        super().__init__(inner)
        self._players = players
        self._needs_somebody = needs_somebody

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        real = [message for message in sent if message.metadata.dst_node_id not in self._players]
        replies = list(self.inner.send_and_receive(real, timeout=timeout)) if real else []
        if self._needs_somebody and all(reply.has_error() for reply in replies):
            raise FederationError("no real client is left in a round that the server plays the others of")
        played = [message for message in sent if message.metadata.dst_node_id in self._players]
        return [*replies, *(self._players[message.metadata.dst_node_id].answer(message) for message in played)]


@dataclass
class OurPlayer:
    """A member of our protocol with keys that the server drew, and a vector of its choice."""

    defense: SecureAggregation
    protocol: Client
    vector: Elements

    def answer(self, message: Message) -> Message:
        stage, question = STAGES[message.metadata.message_type], wire.question_of(message.content)
        if stage == wire.MASKED:
            model = self.defense.bound_to(wire.model_digest(message.content))
            self.protocol, masked = self.protocol.masked(question, model, self.vector)
            return wire.answer(message, arrays=wire.from_ring(masked))
        ask = {"share": self.protocol.share, "confirm": self.protocol.confirm, "unmask": self.protocol.unmask}
        self.protocol, answer = self.protocol.advertise() if stage == "advertise" else ask[stage](question)
        return wire.answer(message, **{wire.SECURE_AGGREGATION: ConfigRecord({wire.ANSWER: answer})})


def player_of(place: Place, message: Message, part: Recording | None = None) -> Player:
    """One in place of the client that a message asks to train; its part in the sum is nothing, or what is recorded."""
    plan, defense = place.plan, masking_of(place.plan.defenses())
    before = place.recorder.weights(message.content)
    if defense is None:
        return FlowerPlayer.of(plan, message.metadata.dst_node_id, before, part)
    client, round = place.client_of(message), wire.round_of(message.content)
    member = Member(
        client=client,
        session=defense.session(plan.session_name(round)),
        randomness=Seeded((plan.seed, "played", client, round)),
    )
    if part is None:
        return OurPlayer(defense, Client.begin(member), np.zeros(defense.entries(before), RINGS[defense.ring_bits]))
    elements = part.payload[RING].numpy()
    return OurPlayer(defense, Client.begin(member), elements.view(f"u{elements.itemsize}"))


def surrounded(place: Place, victim: int, sent: list[Message], timeout: float | None) -> Recording | None:
    """The sum of the victim's update and nothing else; None where it does not take part in that."""
    messages = place.grid.leaving(sent)
    players = {
        message.metadata.dst_node_id: player_of(place, message)
        for message in messages
        if place.client_of(message) != victim
    }
    found = place.sum_over(Played(place.grid, players, needs_somebody=True), sent, timeout)
    return found if found is not None and victim in found.cohort else None
