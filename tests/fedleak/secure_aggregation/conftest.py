"""A round of secure aggregation in one process, with clients that leave before any stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest

from fedleak.secure_aggregation.client import Client
from fedleak.secure_aggregation.graph import Degree
from fedleak.secure_aggregation.keys import Seeded
from fedleak.secure_aggregation.masks import RINGS
from fedleak.secure_aggregation.member import Member
from fedleak.secure_aggregation.messages import STAGES, Session
from fedleak.secure_aggregation.server import Server
from fedleak.secure_aggregation.state import State

MODEL = bytes(range(32))
NEVER = len(STAGES)


@dataclass
class Round:
    """Clients, their vectors, a server, and all that it was told."""

    session: Session
    clients: dict[int, Client]
    vectors: Mapping[int, np.ndarray]
    server: Server
    questions: dict[int, Any]
    transcript: dict[str, dict[int, Any]] = field(default_factory=dict)
    """By stage and client, every answer that reached the server."""

    def ask(self, client: int, question: Any, model: bytes = MODEL) -> Any:
        """A client's answer to a question of the current stage."""
        one, stage = self.clients[client], self.server.stage
        assert stage is not None
        arguments = {"advertise": (), "masked": (question, model, self.vectors[client])}.get(stage, (question,))
        self.clients[client], answer = getattr(one, stage)(*arguments)
        return answer

    def answers(self, gone: Mapping[int, int] | None = None) -> dict[int, Any]:
        """What those answer that are asked and not gone: `gone` says before which stage, by its number."""
        assert self.server.stage is not None
        place = STAGES.index(self.server.stage)
        here = [client for client in self.questions if (gone or {}).get(client, NEVER) > place]
        return {client: self.ask(client, self.questions[client]) for client in here}

    def step(self, gone: Mapping[int, int] | None = None) -> None:
        """One stage: answers, and the questions of the next."""
        answers = self.answers(gone)
        self.transcript[str(self.server.stage)] = answers
        for client, answer in answers.items():
            self.server.receive(client, answer)
        self.questions = dict(self.server.close())

    def run(self, gone: Mapping[int, int] | None = None, until: str | None = None) -> "Round":
        """All stages, or those before `until`."""
        while self.server.stage not in (None, until):
            self.step(gone)
        return self

    def clear_sum(self, clients: Any) -> np.ndarray:
        """The ring sum of some clients' vectors."""
        rows = [self.vectors[client] for client in clients]
        return np.sum(rows, axis=0, dtype=RINGS[self.session.ring_bits])


class Forgetful(Round):
    """Each client's state goes through bytes before every stage."""

    def ask(self, client: int, question: Any, model: bytes = MODEL) -> Any:
        one = self.clients[client]
        self.clients[client] = Client(one.member, State.from_bytes(one.state.to_bytes()))
        return super().ask(client, question, model)


def make(
    clients: int = 4,
    threshold: int | None = None,
    neighbours: int | None = None,
    bits: int = 64,
    entries: int = 5,
    seed: int | None = 0,
    registry: Mapping[int, bytes] | None = None,
    kind: type[Round] = Round,
    **member: Any,
) -> Round:
    """A round that has not begun; `seed` None: keys of the operating system."""
    degree = Degree(clients if threshold is None else threshold, neighbours)
    session = Session(name=bytes(32), degree=degree, ring_bits=bits)
    draws = np.random.default_rng(seed or 0)
    highest = 2**bits - 1
    vectors = {n: draws.integers(0, highest, entries, RINGS[bits], endpoint=True) for n in range(clients)}
    started = {}
    for number in range(clients):
        source = {} if seed is None else {"randomness": Seeded((seed, number))}
        one = Member(client=number, session=session, registry=registry, **source, **member)
        started[number] = Client.begin(one)
    server = Server(session, range(clients), entries, MODEL, registry)
    return kind(session, started, vectors, server, dict.fromkeys(range(clients)))


@pytest.fixture(scope="session")
def make_round() -> Callable[..., Round]:
    return make


@pytest.fixture(scope="session")
def make_forgetful() -> Callable[..., Round]:
    return partial(make, kind=Forgetful)
