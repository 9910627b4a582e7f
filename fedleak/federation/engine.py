"""Engines that run a federation: in this process or in Flower's Ray simulation; the two apps are the same."""

import importlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from flwr.app import Message, MessageType

from fedleak.federation import wire
from fedleak.federation.loopback import LoopbackGrid, server_context
from fedleak.federation.outcome import FederationReport, clear_outcome, read_outcome
from fedleak.federation.plan import FederationPlan
from fedleak.federation.simulation import simulate
from fedleak.recording.files import find_recordings

SERVER_APP = "fedleak.server.app:app"
CLIENT_APP = "fedleak.clients.app:app"
Engine = Literal["loopback", "simulation"]
"""This process, or Flower's simulation on Ray."""
Listener = Callable[[int, int], None]


def run_federation(
    plan: FederationPlan, engine: Engine = "loopback", listener: Listener | None = None
) -> FederationReport:
    """Runs the plan to its end; `listener(done, total)` hears of every client's update.

    Recordings of an earlier run in the same folder are replaced. What was recorded stays on disk whatever happens, and
    `outcome_so_far` has the rest.
    Raises the error that ended the federation: a `UserError` where the input is at fault, else a `FederationError`.
    """
    plan = plan.absolute()
    clear_outcome(Path(plan.recordings))
    total = plan.federation.clients * (plan.rounds + plan.model.trained_rounds)
    started = time.monotonic()
    _ENGINES[engine](plan, listener or _nobody, total)
    outcome = read_outcome(Path(plan.recordings))
    return FederationReport(
        recordings=tuple(find_recordings(Path(plan.recordings))) if plan.records else (),
        failures=outcome.failures,
        seconds=time.monotonic() - started,
        evaluation=outcome.evaluation,
        costs=outcome.costs,
    )


def _loopback(plan: FederationPlan, listener: Listener, total: int) -> None:
    done = 0

    def heard(question: Message, reply: Message) -> None:
        nonlocal done
        kind = reply.metadata.message_type
        if kind == MessageType.TRAIN:
            done += 1
        elif kind == wire.TOP:
            before = plan.model.trained_rounds
            done = int(plan.federation.clients * (before + wire.rounds_behind(question.content)))
        else:
            return
        listener(min(done, total), total)

    config = plan.to_run_config()
    with quiet_flower():
        grid = LoopbackGrid(_load(CLIENT_APP), plan.federation.clients, config, heard)
        _load(SERVER_APP)(grid, server_context(config))


def _simulation(plan: FederationPlan, listener: Listener, total: int) -> None:
    simulate(plan, SERVER_APP, CLIENT_APP, lambda done: listener(min(done, total), total))


_ENGINES: dict[str, Callable[[FederationPlan, Listener, int], None]] = {
    "loopback": _loopback,
    "simulation": _simulation,
}


@contextmanager
def quiet_flower() -> Iterator[None]:
    """Silences Flower's running commentary, unless fedleak's own logger is set to INFO or lower."""
    flower = logging.getLogger("flwr")
    level = flower.level
    if not logging.getLogger("fedleak").isEnabledFor(logging.INFO):
        flower.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        flower.setLevel(level)


def _load(reference: str) -> Any:
    """The app behind a Flower reference `module:name`; the language never imports a party by itself."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def _nobody(done: int, total: int) -> None:
    """Nobody listens."""
