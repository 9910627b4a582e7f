"""Parties of an app under audit: its modules, its client watched where it trains, and the rounds of its messages."""

import importlib
import random
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid

from fedleak.audit.events import Events, working
from fedleak.audit.messages import arrays, more, reported, round_of, texts
from fedleak.audit.mods import mods_of
from fedleak.audit.settings import AuditSettings
from fedleak.audit.troubles import AuditError, NodeConfig, reason
from fedleak.audit.understanding import Update, understood
from fedleak.audit.watch import Watcher
from fedleak.errors import first_line
from fedleak.randomness import seed_of, seeded

STAGE = "a stage of secure aggregation"
"""What a message is that asks for training by its type alone."""


def load_server(settings: AuditSettings) -> Any:
    """The app's ServerApp; torch, numpy and `random` begin by the seed. Raises `AuditError`."""
    torch.manual_seed(settings.seed)
    random.seed(settings.seed)
    np.random.seed(settings.seed % 2**32)  # noqa: NPY002  what an app draws from that has no generator of its own
    return _loaded(settings, settings.server, "ServerApp")


def load_client(settings: AuditSettings) -> ClientApp:
    """The app's ClientApp. Raises `AuditError`."""
    client = _loaded(settings, settings.client, "ClientApp")
    if not isinstance(client, ClientApp):
        raise AuditError(f"'{settings.client}' is a {type(client).__name__}, and a ClientApp was expected")
    return client


def _loaded(settings: AuditSettings, reference: str, kind: str) -> Any:
    """An app by MODULE:ATTRIBUTE, from the app's folder; says which module could not be imported."""
    sys.dont_write_bytecode = True
    if sys.path[0] != str(settings.folder):
        sys.path.insert(0, str(settings.folder))
    module, _, name = reference.partition(":")
    try:
        loaded: Any = importlib.import_module(module)
        for part in name.split("."):
            loaded = getattr(loaded, part)
    except BaseException as error:
        raise AuditError(
            f"the {kind} '{reference}' cannot be imported: {type(error).__name__}: {first_line(error)}"
        ) from error
    return loaded


@contextmanager
def drawing(*words: object) -> Iterator[None]:
    """Seeds what a client draws from by these words, the same whatever engine calls it, and puts all back after it."""
    kept = np.random.get_state()  # noqa: NPY002  as above
    with seeded(*words):
        np.random.seed(seed_of(*words) % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(kept)  # noqa: NPY002


def serve(server: Any, grid: Grid, context: Context, events: Events) -> None:
    """Calls the app's ServerApp, and tells how it ended."""
    stopped = ""
    try:
        server(grid, context)
    except BaseException as error:  # noqa: BLE001  an app raises whatever it likes
        traceback.print_exc()
        stopped = f"the ServerApp stopped: {type(error).__name__}: {first_line(error)}"
    events.ended(stopped)


class Rounds:
    """The rounds that are audited, as the server goes through them."""

    def __init__(self, settings: AuditSettings, events: Events) -> None:
        self._rounds = settings.rounds
        self._events = events
        self._asked: Counter[int] = Counter()

    def begin(self, messages: Iterable[Message]) -> None:
        """Ends the app where a round begins beyond those that are audited: the server's thread goes no further."""
        rounds = [self._of(one) for one in messages if one.metadata.message_type.startswith("train")]
        if max(rounds, default=0) > self._rounds:
            self._events.ended("")
            self.hold()

    def hold(self) -> None:
        """Waits until the process is ended."""
        threading.Event().wait()

    def _of(self, message: Message) -> int:
        """The round of a message that is about to be sent: as it says or its group, else its node's next."""
        told, node = round_of(message), message.metadata.dst_node_id
        self._asked[node] += 1
        return self._asked[node] if told is None else told


class WatchedClient:
    """The app's ClientApp, watched where it trains; called as it is."""

    def __init__(self, app: ClientApp, settings: AuditSettings, events: Events) -> None:
        self._app = app
        self._settings = settings
        self._events = events
        self._watcher = Watcher(beat=events.beat)

    def __call__(self, message: Message, context: Context) -> Message:
        """The app's reply; its node's config has what was given besides, and says what it does not have."""
        own = context.node_config
        context.node_config = NodeConfig({**self._settings.node_config, **own})
        try:
            return self._answered(message, context)
        finally:
            context.node_config = own

    def _answered(self, message: Message, context: Context) -> Message:
        events = self._events
        events.beat()
        kind = message.metadata.message_type
        if not kind.startswith("train"):
            events.other(kind)
            reply: Message = self._app(message, context)
            return reply
        count, told = events.asked(message.metadata.dst_node_id), round_of(message)
        number, round = int(context.node_config["partition-id"]), count if told is None else told
        events.says(f"round {round}: client {number} trains")
        sent = arrays(message.content)
        try:
            with (
                drawing(self._settings.seed, number, round),
                self._watcher.watching() as training,
                torch.inference_mode(False),
            ):
                reply = self._app(message, context)
        except BaseException as error:
            traceback.print_exc()
            events.failed(f"client {number} in round {round}: {reason(error)}")
            raise
        if reply.has_error():
            events.failed(f"client {number} in round {round}: {reply.error.reason}")
            return reply
        mods = mods_of(self._app)
        if training.network is None and any(one.masks for one in mods):
            events.other(STAGE)
            return reply
        update = Update(
            client=number,
            round=round,
            sent=sent,
            received=arrays(reply.content),
            more=more(reply.content),
            reported=reported(reply.content),
            texts=texts(reply.content),
            training=training,
            mods=mods,
        )
        events.says(f"round {round}: training of client {number} is done again")
        with working(events.beat):
            events.trained(update, understood(update))
        return reply
