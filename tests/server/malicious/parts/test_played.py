"""A grid in which the server answers for some clients: who is asked, and what is said where nobody real is left."""

from collections.abc import Iterable
from typing import Any

import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict

from fedleak.errors import FederationError
from fedleak.server.layer import Layer
from fedleak.server.malicious.parts.played import Played


class Clients(Layer):
    """Answers for real ones, or refuses."""

    def __init__(self, *, refuse: bool) -> None:  # there is no grid below
        self.refuse = refuse
        self.asked: list[int] = []

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        sent = list(messages)
        self.asked += [one.metadata.dst_node_id for one in sent]
        return [Message(Error(2, "no") if self.refuse else said("client"), reply_to=one) for one in sent]


class Made:
    """A player that says who it is."""

    def answer(self, message: Message) -> Message:
        return Message(said("server"), reply_to=message)


def said(who: str) -> RecordDict:
    return RecordDict({"config": ConfigRecord({"who": who})})


def asked(clients: Clients, played: Iterable[int], **options: Any) -> dict[int, str]:
    grid = Played(clients, {node: Made() for node in played}, **options)
    replies = grid.send_and_receive([Message(said("server"), node, "train") for node in (1, 2, 3)])
    return {
        one.metadata.src_node_id: "refused" if one.has_error() else str(one.content.config_records["config"]["who"])
        for one in replies
    }


def test_real_clients_are_asked_and_the_others_played() -> None:
    clients = Clients(refuse=False)
    assert asked(clients, (1, 3)) == {1: "server", 2: "client", 3: "server"}
    assert clients.asked == [2]
    assert asked(clients, (1, 2, 3)) == dict.fromkeys((1, 2, 3), "server")
    assert clients.asked == [2]


def test_a_round_of_nobody_ends_where_the_last_real_client_refuses() -> None:
    assert asked(Clients(refuse=True), (1, 3)) == {1: "server", 2: "refused", 3: "server"}
    with pytest.raises(FederationError, match="no real client is left"):
        asked(Clients(refuse=True), (1, 3), needs_somebody=True)
