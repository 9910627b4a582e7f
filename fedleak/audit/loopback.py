"""Loopback engine of an audit: the app's two parties in this process."""

import threading
from collections.abc import Iterable
from typing import Any

from flwr.app import Message
from flwr.clientapp import ClientApp

from fedleak.audit.parties import Rounds, WatchedClient, serve
from fedleak.audit.stage import Stage
from fedleak.federation.loopback import LoopbackGrid, server_context


def loopback(stage: Stage, server: Any, client: ClientApp) -> None:
    """Runs the server in a thread, which is left where a round begins that is not audited."""
    given = server, AuditGrid(stage, client), server_context(stage.settings.config), stage
    threading.Thread(target=serve, args=given, daemon=True).start()
    stage.over.wait()


class AuditGrid(LoopbackGrid):
    """A loopback grid that ends the app when the audited rounds are over, and calls clients in their order."""

    def __init__(self, stage: Stage, client: ClientApp) -> None:
        settings = stage.settings
        watched = WatchedClient(client, settings, stage)
        super().__init__(watched, settings.clients, settings.config, lambda *_: stage.beat())
        self._rounds = Rounds(settings, stage)
        self._stage = stage

    def get_node_ids(self) -> Iterable[int]:
        """All clients; whoever waits for more asks again and again."""
        self._stage.polled()
        return super().get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Delivers, unless a round begins that is not audited; strategies choose an order at random."""
        sent = list(messages)
        self._rounds.begin(sent)
        order = sorted(range(len(sent)), key=lambda place: sent[place].metadata.dst_node_id)
        names = dict(zip(order, super().push_messages([sent[place] for place in order]), strict=True))
        return [names[place] for place in range(len(sent))]
