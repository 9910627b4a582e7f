"""Simulated parties of an audit: what Flower's simulation loads in place of the app's own, which are called inside.

They run in processes of Flower and Ray, and tell by mail what becomes of them. The settings of the audit are in the
file that `SETTINGS` of the environment names; all else is as the app finds it anywhere: run config, node config, path.
"""

import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from fedleak.audit.events import Events
from fedleak.audit.mail import Mail
from fedleak.audit.parties import Rounds, WatchedClient, load_client, load_server, serve
from fedleak.audit.settings import AuditSettings, spoken
from fedleak.errors import first_line
from fedleak.wiretap.grid import TappedGrid

SETTINGS = "FEDLEAK_AUDIT_SETTINGS"


class SimulatedClient(ClientApp):
    """Calls the app's ClientApp, watched; nothing of it is loaded before it is called, which is in Ray's processes."""

    def __call__(self, message: Message, context: Context) -> Message:
        return _watched()(message, context)


class SimulatedGrid(TappedGrid):
    """Flower's own grid, which ends the app when the audited rounds are over."""

    def __init__(self, inner: Grid, settings: AuditSettings, events: Events) -> None:
        super().__init__(inner, Replies(events))
        self.__dict__.update(_rounds=Rounds(settings, events), _events=events)

    def get_node_ids(self) -> Iterable[int]:
        """All clients; whoever waits for more asks again and again."""
        self._events.polled()
        return super().get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Sends, unless a round begins that is not audited."""
        sent = list(messages)
        self._rounds.begin(sent)
        return super().push_messages(sent)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | int | None = None) -> Iterable[Message]:
        """As Flower's grids do it, which push and then pull."""
        return self._awaited({name for name in self.push_messages(messages) if name}, timeout)


class Replies:
    """Hears of the errors that come in the place of replies, of a process that died for one."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def sent(self, messages: Sequence[Message], ids: Sequence[str | None] = ()) -> None:  # noqa: ARG002
        """Something goes on."""
        self._events.beat()

    def received(self, replies: Sequence[Message]) -> None:
        """Of errors the reason is told."""
        self._events.beat()
        for reply in replies:
            if reply.has_error():
                self._events.lost(first_line(RuntimeError(reply.error.reason)))


@cache
def _told() -> tuple[AuditSettings, Mail]:
    settings = spoken(Path(os.environ[SETTINGS]))
    return settings, Mail(settings.private)


@cache
def _watched() -> WatchedClient:
    settings, mail = _told()
    return WatchedClient(load_client(settings), settings, mail)


client = SimulatedClient()
server = ServerApp()


@server.main()
def main(grid: Grid, context: Context) -> None:
    """The app's own server, with a grid that is listened to."""
    settings, mail = _told()
    mail.says("starting the server")
    serve(load_server(settings), SimulatedGrid(grid, settings, mail), context, mail)
