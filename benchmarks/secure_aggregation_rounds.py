"""Rounds to be measured: ours played and recorded, Flower's SecAgg+ as it is, and CKKS by TenSEAL."""

import importlib.util
import logging
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.common import Code, FitRes, Parameters, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage
from flwr.compat.common import recorddict_compat as compat
from flwr.server.client_manager import SimpleClientManager
from flwr.server.compat import LegacyContext
from flwr.server.compat.grid_client_proxy import GridClientProxy
from flwr.server.strategy import FedAvg
from flwr.server.workflow import SecAggPlusWorkflow
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD

from fedleak.federation.loopback import RUN_ID, LoopbackGrid, server_context
from fedleak.secure_aggregation import planning
from fedleak.secure_aggregation.client import Client
from fedleak.secure_aggregation.keys import identity_key
from fedleak.secure_aggregation.masks import RINGS, faster_cipher
from fedleak.secure_aggregation.member import Member
from fedleak.secure_aggregation.messages import STAGES, Session
from fedleak.secure_aggregation.server import Server

MODEL = bytes(32)
LONGEST, LARGEST = 1.5e10, 2e8
"""Flower is not run beyond: entries of all masks, shares counted as 2e5 each, and entries that its server keeps."""
CIPHER = faster_cipher()


@dataclass(frozen=True, kw_only=True)
class Work:
    """A round to be measured."""

    clients: int
    entries: int
    neighbours: int | None = None
    bits: int = 64
    lost: int = 0
    registry: bool = False

    @cached_property
    def session(self) -> Session:
        degree = planning.degree(self.clients, "all" if self.neighbours is None else self.neighbours)
        return Session(name=bytes(32), degree=degree, ring_bits=self.bits, cipher=CIPHER)

    @property
    def streams(self) -> int:
        """Masks of a client: its own, and one for each neighbour."""
        return self.session.degree.neighbourhood(self.clients)

    @cached_property
    def size(self) -> int:
        """Bytes of a vector."""
        return self.entries * self.bits // 8

    @cached_property
    def vector(self) -> np.ndarray:
        """What every client sends."""
        return np.random.default_rng(0).integers(0, 2**self.bits - 1, self.entries, RINGS[self.bits])

    def __str__(self) -> str:
        near = "all" if self.neighbours is None else self.neighbours
        return (
            f"{self.clients} clients, {near} neighbours, {self.entries:,} entries of {self.bits} bits, {self.lost} lost"
        )


@dataclass(frozen=True)
class Played:
    """A round: the client that is measured before it, what it was asked, and what reached the server."""

    work: Work
    client: Client
    registry: Mapping[int, bytes]
    questions: Mapping[str, Any]
    answers: Mapping[str, Mapping[int, Any]]
    seconds: float
    """Of all clients and the server together."""

    def of(self, entries: int) -> "Played":
        """The same with vectors of another length, which no message but themselves depends on."""
        work = replace(self.work, entries=entries)
        answers = {**self.answers, "masked": dict.fromkeys(self.answers["masked"], work.vector)}
        return replace(self, work=work, answers=answers)

    def checking(self, all_signatures: bool) -> "Played":
        """The same with a client that checks everybody's signature, or only those under the list of survivors."""
        member = replace(self.client.member, registry=self.registry if all_signatures else None)
        return replace(self, client=Client(member, self.client.state))


def play(work: Work) -> Played:
    """A round with all clients, the last of which is measured; the sum is checked."""
    say(f"{work}: playing the round")
    started, own, secrets = time.process_time(), work.clients - 1, [os.urandom(32) for _ in range(work.clients)]
    registry = {client: identity_key(secret) for client, secret in enumerate(secrets)}
    member = partial(Member, session=work.session, registry=registry if work.registry else None)
    clients = {n: Client.begin(member(client=n, identity=secret)) for n, secret in enumerate(secrets)}
    first, server, questions = (
        clients[own],
        Server(work.session, clients, work.entries, MODEL, registry),
        dict.fromkeys(clients, b""),
    )
    asked: dict[str, Any] = {}
    answers: dict[str, dict[int, Any]] = {stage: {} for stage in STAGES}
    while (stage := server.stage) is not None:
        asked[stage] = questions[own]
        for client in [client for client in questions if stage != "masked" or client >= work.lost]:
            clients[client], answer = ask(clients[client], stage, questions[client], work.vector)
            server.receive(client, answer)
            answers[stage][client] = work.vector if stage == "masked" else answer
        questions = server.close()
    took = time.process_time() - started
    if not np.array_equal(server.total, work.vector * work.vector.dtype.type(len(server.survivors))):
        raise SystemExit("the sum is not that of the survivors")
    return Played(work, first, registry, asked, answers, took)


def ask(client: Client, stage: str, question: bytes, vector: np.ndarray) -> Any:
    """The client after a stage, and its answer."""
    arguments = {"advertise": (), "masked": (question, MODEL, vector)}.get(stage, (question,))
    return getattr(client, stage)(*arguments)


@dataclass(frozen=True)
class Costs:
    """Seconds of one client that stayed, the least of all, and of the server."""

    client: float
    server: float


class Timed:
    """Flower's app on a client, with its processor time by node; some are gone when vectors are asked for."""

    def __init__(self, app: ClientApp, lost: int) -> None:
        self.app, self.lost = app, lost
        self.seconds: dict[int, float] = defaultdict(float)

    def __call__(self, message: Message, context: Context) -> Message:
        node, stage = message.metadata.dst_node_id, message.content.config_records[RECORD_KEY_CONFIGS][Key.STAGE]
        if node <= self.lost and stage == Stage.COLLECT_MASKED_VECTORS:
            raise ConnectionError("gone")
        started = time.process_time()
        reply = self.app(message, context)
        self.seconds[node] += time.process_time() - started
        return reply


class TimedGrid(LoopbackGrid):
    """A grid that says how long it took, clients and copies included."""

    seconds = 0.0

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        say("Flower's SecAgg+: another stage")
        started = time.process_time()
        replies = super().send_and_receive(messages, timeout=timeout)
        self.seconds += time.process_time() - started
        return replies


def flower(work: Work) -> Costs | None:
    """Flower's workflow over Flower's mod, both as they are; none where that would take too long."""
    keeps = work.clients * work.entries
    if keeps > LARGEST or work.streams * (keeps + work.clients * 2e5) > LONGEST:
        return None
    say(f"{work}: Flower's SecAgg+")
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    model = ndarrays_to_parameters([np.random.default_rng(0).normal(size=work.entries).astype(np.float32)])
    timed = Timed(_app(model), work.lost)
    grid = TimedGrid(timed, work.clients, {}, lambda _reply: None)  # type: ignore[arg-type]
    context = _context(grid, ndarrays_to_parameters([np.zeros(work.entries, np.float32)]))
    workflow = SecAggPlusWorkflow(work.streams if work.neighbours else 1.0, reconstruction_threshold=2 / 3)
    started = time.process_time()
    workflow(grid, context)
    took = time.process_time() - started - grid.seconds
    _check(context, model)
    return Costs(min(timed.seconds[node] for node in range(work.lost + 1, work.clients + 1)), took)


def _app(model: Parameters) -> ClientApp:
    app = ClientApp()

    @app.train(mods=[secaggplus_mod])
    def train(message: Message, context: Context) -> Message:  # noqa: ARG001
        result = FitRes(Status(Code.OK, ""), model, 10, {})
        return Message(compat.fitres_to_recorddict(result, keep_input=True), reply_to=message)

    return app


def _context(grid: LoopbackGrid, model: Parameters) -> LegacyContext:
    manager = SimpleClientManager()
    for node in grid.get_node_ids():
        manager.register(GridClientProxy(node, grid, RUN_ID))
    context = LegacyContext(server_context({}), strategy=FedAvg(), client_manager=manager)
    context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({"current_round": 1})
    context.state.array_records[MAIN_PARAMS_RECORD] = compat.parameters_to_arrayrecord(model, keep_input=True)
    return context


def _check(context: LegacyContext, model: Parameters) -> None:
    """All clients sent the same weights, so their mean is these; the model before was zero."""
    found = compat.arrayrecord_to_parameters(context.state.array_records[MAIN_PARAMS_RECORD], keep_input=True)
    (mean,), (sent,) = parameters_to_ndarrays(found), parameters_to_ndarrays(model)
    if not np.allclose(mean, sent, atol=1e-2):
        raise SystemExit("Flower's SecAgg+ gave another mean than what its clients sent")


def ckks(entries: int) -> str | None:
    """CKKS by TenSEAL in words: no masks and no recovery, but a key that somebody holds; none where it is missing."""
    if importlib.util.find_spec("tenseal") is None:
        return None
    import tenseal  # type: ignore[import-not-found]

    context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 60], n_threads=1)
    context.global_scale = 2.0**40
    vector = np.random.default_rng(0).normal(size=entries)
    times = [time.process_time()]
    boxes = [tenseal.ckks_vector(context, vector[start : start + 4096]) for start in range(0, entries, 4096)]
    times.append(time.process_time())
    size = sum(len(box.serialize()) for box in boxes)
    times.append(time.process_time())
    both = [box + box for box in boxes]
    times.append(time.process_time())
    opened = np.concatenate([box.decrypt() for box in both])
    times.append(time.process_time())
    encrypt, _, add, decrypt = np.diff(times)
    return (
        f"encrypt {encrypt:.2f} s, {size / 1e6:.1f} MB, add {add:.2f} s, decrypt {decrypt:.2f} s, "
        f"error {np.abs(opened / 2 - vector).max():.0e}"
    )


def say(what: str) -> None:
    """Progress."""
    sys.stderr.write(f"{what}\n")
