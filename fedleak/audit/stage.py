"""Stage: the app under audit in this process, its clients watched, its messages counted, its waiting ended."""

import importlib
import math
import os
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from fedleak.audit.judgement import Judge
from fedleak.audit.messages import arrays, reported, round_of, texts
from fedleak.audit.mods import mods_of
from fedleak.audit.settings import REPLIED, AuditSettings
from fedleak.audit.troubles import AuditError, NodeConfig, reason
from fedleak.audit.understanding import Update, understood
from fedleak.audit.watch import Watcher
from fedleak.errors import first_line
from fedleak.federation.loopback import LoopbackGrid, server_context

SIGN_SECONDS = 10.0
"""How often the audit's own work says that it goes on."""
POLLED_SECONDS = 10.0
"""How long ago a server that waits for clients has asked who is there, at most."""
STAGE = "a stage of secure aggregation"
"""What a message is that asks for training by its type alone."""


class Stage:
    """The app under audit: its clients watched, its messages kept, its rounds counted."""

    def __init__(self, settings: AuditSettings, say: Callable[[dict[str, Any]], None]) -> None:
        self.settings = settings
        self.say = say
        self.updates: list[Any] = []
        self.failures: list[str] = []
        self.asked: Counter[int] = Counter()
        """How often each node was asked to train."""
        self.other: dict[str, int] = {}
        self.heard_at = time.monotonic()
        self.polled_at = -math.inf
        """When the server last asked which clients are there."""
        self._watcher = Watcher(beat=self.beat)
        self._app: Any = None
        self._over = threading.Event()
        self._stopped: BaseException | None = None
        self._judge = Judge(settings, say)

    def beat(self) -> None:
        """Something goes on."""
        now = time.monotonic()
        if now - self.heard_at > 1:
            self.say({"event": "beat"})
        self.heard_at = now

    @contextmanager
    def working(self) -> Iterator[None]:
        """Says that something goes on while the audit's own work is done, which is long on a large network."""
        done = threading.Event()

        def signs() -> None:
            while not done.wait(SIGN_SECONDS):
                self.say({"event": "beat"})

        threading.Thread(target=signs, daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def load(self, reference: str, kind: str) -> Any:
        """An app by MODULE:ATTRIBUTE, from the app's folder; says which module could not be imported."""
        module, _, name = reference.partition(":")
        self.say({"event": "stage", "words": f"importing {module}"})
        try:
            loaded: Any = importlib.import_module(module)
            for part in name.split("."):
                loaded = getattr(loaded, part)
        except BaseException as error:
            raise AuditError(
                f"the {kind} '{reference}' cannot be imported: {type(error).__name__}: {first_line(error)}"
            ) from error
        return loaded

    def run(self) -> None:
        """The whole audit; raises `AuditError`."""
        settings = self.settings
        self._app = self.load(settings.client, "ClientApp")
        server = self.load(settings.server, "ServerApp")
        if not isinstance(self._app, ClientApp):
            raise AuditError(f"'{settings.client}' is a {type(self._app).__name__}, and a ClientApp was expected")
        threading.Thread(target=self._mind, daemon=True).start()
        self.say({"event": "stage", "words": "starting the server"})
        threading.Thread(target=self._serve, args=(server,), daemon=True).start()
        self._over.wait()
        stopped = ""
        if self._stopped is not None:
            stopped = f"the ServerApp stopped: {type(self._stopped).__name__}: {first_line(self._stopped)}"
            if not self.updates:
                raise AuditError(self._nobody() if self.failures else stopped) from self._stopped
        nobody = self._nobody()
        if nobody:
            raise AuditError(nobody)
        with self.working(), torch.enable_grad():  # an app may have turned gradients off where it was imported
            self._judge.judge(self.updates, stopped)

    def _serve(self, server: Any) -> None:
        """The ServerApp, in a thread that is left where a round begins that is not audited."""
        try:
            server(AuditGrid(self), server_context(self.settings.config))
        except BaseException as error:  # noqa: BLE001  an app raises whatever it likes
            traceback.print_exc()
            self._stopped = error
        self._over.set()

    def client(self, message: Message, context: Context) -> Message:
        """One client's call, watched where it trains."""
        self.beat()
        kind = message.metadata.message_type
        if not kind.startswith("train"):
            self.other[kind] = self.other.get(kind, 0) + 1
            reply: Message = self._app(message, context)
            return reply
        number, round = int(context.node_config["partition-id"]), self.round_of(message)
        self.asked[message.metadata.dst_node_id] += 1
        self.say({"event": "stage", "words": f"round {round}: client {number} trains"})
        sent = arrays(message.content)
        try:
            with self._watcher.watching() as training, torch.inference_mode(False):
                reply = self._app(message, context)
        except BaseException as error:
            traceback.print_exc()
            self.failures.append(f"client {number} in round {round}: {reason(error)}")
            raise
        if reply.has_error():
            self.failures.append(f"client {number} in round {round}: {reply.error.reason}")
            return reply
        mods = mods_of(self._app)
        if training.network is None and any(one.masks for one in mods):
            self.other[STAGE] = self.other.get(STAGE, 0) + 1
            return reply
        update = Update(
            client=number,
            round=round,
            sent=sent,
            received=arrays(reply.content),
            reported=reported(reply.content),
            texts=texts(reply.content),
            training=training,
            mods=mods,
        )
        self.say({"event": "stage", "words": f"round {round}: training of client {number} is done again"})
        with self.working():
            self.updates.append(self._judge.kept(update, understood(update)))
        return reply

    def begins(self, messages: list[Message]) -> None:
        """Ends the app where a round begins beyond those that are audited: its thread goes no further."""
        for message in messages:
            if message.metadata.message_type.startswith("train") and self.round_of(message) > self.settings.rounds:
                self._over.set()
                threading.Event().wait()

    def round_of(self, message: Message) -> int:
        """The round of a message that is yet to be answered: as it says or its group, else its node's next."""
        told = round_of(message)
        return self.asked[message.metadata.dst_node_id] + 1 if told is None else told

    def _nobody(self) -> str:
        if self.updates:
            return ""
        if self.failures:
            return f"all clients that were asked to train failed; the first: {self.failures[0]}"
        if self.other.get(STAGE):
            return (
                f"no network trained in {self.other[STAGE]} messages of secure aggregation, so there is nothing to see"
            )
        if self.asked:
            return "clients were asked to train, and none answered"
        others = ", ".join(f"{number} of '{kind}'" for kind, number in self.other.items())
        return "nobody was asked to train" + (f"; messages of other types were: {others}" if others else "")

    def _mind(self) -> None:
        """Ends an app that asks nobody for long and looks again and again who is there: it waits for more clients."""
        while True:
            time.sleep(1.0)
            now = time.monotonic()
            if self.asked or self.other or now - self.heard_at < self.settings.idle:
                continue
            if now - self.polled_at > POLLED_SECONDS:  # it is at something else, such as a test of the first model
                continue
            words = (
                f"the server asked nobody for {self.settings.idle:.0f} s, with {self.settings.clients} clients "
                "connected: it may wait for more; raise --clients, or lower what its strategy asks for "
                "(min_available_nodes)"
            )
            self.say({"event": "failure", "words": words})
            os._exit(REPLIED)


class AuditGrid(LoopbackGrid):
    """A loopback grid that ends the app when the audited rounds are over; its nodes say what they do not have."""

    def __init__(self, stage: Stage) -> None:
        settings = stage.settings
        super().__init__(stage.client, settings.clients, settings.config, lambda *_: stage.beat(), settings.node_config)
        for context in self._contexts.values():
            context.node_config = NodeConfig(context.node_config)
        self._stage = stage

    def get_node_ids(self) -> Iterable[int]:
        """All clients; whoever waits for more asks again and again."""
        self._stage.polled_at = time.monotonic()
        return super().get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Delivers, unless a round begins that is not audited."""
        sent = list(messages)
        self._stage.begins(sent)
        return super().push_messages(sent)
