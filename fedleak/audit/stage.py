"""Stage: the app under audit, run by an engine; its updates kept, its failures counted, its waiting ended."""

import math
import os
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from flwr.clientapp import ClientApp

from fedleak.audit.events import working
from fedleak.audit.judgement import Judge
from fedleak.audit.parties import STAGE, load_client, load_server
from fedleak.audit.seen import Training
from fedleak.audit.settings import REPLIED, AuditSettings
from fedleak.audit.troubles import AuditError
from fedleak.audit.understanding import Understanding, Update, failed

POLLED_SECONDS = 10.0
"""How long ago a server that waits for clients has asked who is there, at most."""
BUSY_SHARE = 0.05
"""CPU seconds of this process in one of the clock, above which the server is at work, and does not wait."""
SAID_SECONDS = 10.0
WAITS = "the server asks nobody, and looks who is there: it may wait for more clients (--clients)"
"""What is said after so long of waiting, before it is ended."""


Engine = Callable[["Stage", Any, ClientApp], None]
"""Runs a ServerApp and a ClientApp until the stage is over, and tells it what becomes of them."""


class Stage:
    """The app under audit; what its parties tell is heard here, as `fedleak.audit.events.Events` has it."""

    def __init__(self, settings: AuditSettings, say: Callable[[dict[str, Any]], None]) -> None:
        self.settings = settings
        self.say = say
        self.updates: list[Any] = []
        self.failures: list[str] = []
        self.unanswered: list[str] = []
        """Errors that the server got in the place of replies."""
        self.trainings: Counter[int] = Counter()
        """How often each node was asked to train."""
        self.others: Counter[str] = Counter()
        """Messages by type that asked for something else."""
        self.over = threading.Event()
        self._heard_at = time.monotonic()
        self._polled_at = -math.inf
        """When the server last asked which clients are there."""
        self._stopped = ""
        self._judge = Judge(settings, say)

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._heard_at > 1:
            self.say({"event": "beat"})
        self._heard_at = now

    def says(self, words: str) -> None:
        self._heard_at = time.monotonic()
        self.say({"event": "stage", "words": words})

    def asked(self, node: int) -> int:
        self.trainings[node] += 1
        return self.trainings[node]

    def other(self, kind: str) -> None:
        self.others[kind] += 1

    def failed(self, words: str) -> None:
        self.failures.append(words)

    def lost(self, words: str) -> None:
        self.unanswered.append(words)

    def trained(self, update: Update, known: Understanding) -> None:
        """Keeps its facts; where fedleak fails on it that is said of it, and its client has not failed."""
        try:
            kept = self._judge.kept(update, known)
        except Exception as error:  # noqa: BLE001  networks and inputs of anybody's
            traceback.print_exc()
            kept = self._judge.kept(replace(update, training=Training()), failed(error))
        self.updates.append(kept)

    def polled(self) -> None:
        self._polled_at = time.monotonic()

    def ended(self, stopped: str) -> None:
        self._stopped = stopped
        self.over.set()

    def run(self, engine: Engine) -> None:
        """The whole audit; raises `AuditError`."""
        self.says(f"importing {self.settings.client.partition(':')[0]}")
        client = load_client(self.settings)
        self.says(f"importing {self.settings.server.partition(':')[0]}")
        server = load_server(self.settings)
        self.says("starting the server")
        threading.Thread(target=self._mind, daemon=True).start()
        engine(self, server, client)
        if self._stopped and not self.updates:
            raise AuditError(self._nobody() if self.failures else self._stopped)
        nobody = self._nobody()
        if nobody:
            raise AuditError(nobody)
        with working(self.beat), torch.enable_grad():  # an app may have turned gradients off where it was imported
            self._judge.judge(self.updates, self._stopped)

    def _nobody(self) -> str:
        if self.updates:
            return ""
        if self.failures:
            return f"all clients that were asked to train failed; the first: {self.failures[0]}"
        if self.others[STAGE]:
            return (
                f"no network trained in {self.others[STAGE]} messages of secure aggregation, so there is nothing to see"
            )
        if self.trainings:
            first = f"; the server got: {self.unanswered[0]}" if self.unanswered else ""
            return f"clients were asked to train, and none answered{first}"
        others = ", ".join(f"{number} of '{kind}'" for kind, number in self.others.items())
        return "nobody was asked to train" + (f"; messages of other types were: {others}" if others else "")

    def _mind(self) -> None:
        """Ends an app that asks nobody for long and looks again and again who is there: it waits for more clients."""
        busy_at, used, told = -math.inf, time.process_time(), False
        while True:
            time.sleep(1.0)
            now, spent = time.monotonic(), time.process_time()
            if spent - used > BUSY_SHARE:
                busy_at = now
            used = spent
            if self.trainings or self.others or now - self._polled_at > POLLED_SECONDS:
                continue  # it is at something else, such as a test of the first model
            idle = now - max(self._heard_at, busy_at)
            if idle >= SAID_SECONDS and not told:
                told = True
                self.say({"event": "stage", "words": WAITS})
            if idle < self.settings.idle:
                continue
            words = (
                f"the server asked nobody for {self.settings.idle:.0f} s, with {self.settings.clients} clients "
                "connected: it may wait for more; raise --clients, or lower what its strategy asks for "
                "(min_available_nodes)"
            )
            self.say({"event": "failure", "words": words})
            os._exit(REPLIED)
