"""A server that sends what it likes to clients that live here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict

from fedleak.clients.app import app
from fedleak.defenses.secure_aggregation import masking_of
from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.federation.loopback import LoopbackGrid
from fedleak.federation.plan import FederationPlan
from fedleak.io.fingerprint import source_fingerprint
from fedleak.secure_aggregation.messages import Session
from fedleak.secure_aggregation.server import Server
from fedleak.settings.base import parse_settings
from fedleak.tasks import initial_weights


class LyingServer:
    """Asks clients whatever it likes, one message at a time."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        tree = {"task": "digits-mlp", "recordings": str(folder / "r"), "vault": str(folder / "t"), **changes}
        self.plan = parse_settings(FederationPlan, tree)
        config = self.plan.to_run_config()
        self.grid = LoopbackGrid(app, self.plan.federation.clients, config, lambda question, reply: None)
        state = initial_weights(self.plan.task, 0).state_dict()
        self.weights = wire.to_arrays(state)
        self.beside: dict[str, ConfigRecord] = {}
        """Records that every message has besides."""
        self.dead = wire.to_arrays({name: torch.zeros_like(value) for name, value in state.items()})

    def ask(
        self, kind: str = "train", client: int = 0, question: bytes | None = None, *, dead: bool = False, **said: Any
    ) -> Message:
        """One reply; `kind` is a type of message, or a stage of secure aggregation."""
        record = ConfigRecord({wire.ROUND: 1, wire.FINGERPRINT: source_fingerprint(), **said})
        content = RecordDict({"config": record, "arrays": self.dead if dead else self.weights, **wire.asking(question)})
        content.update(self.beside)
        [reply] = self.grid.send_and_receive([Message(content, client + 1, wire.MESSAGE_TYPES.get(kind, kind))])
        return reply

    def refusal(self, *asked: Any, **said: Any) -> str:
        reply = self.ask(*asked, **said)
        assert reply.has_error()
        return str(reply.error.reason)

    # Secure aggregation as an honest server does it.

    def session(self, round: int = 1) -> Session:
        masking = masking_of(self.plan.defenses())
        assert masking is not None
        return masking.session(self.plan.session_name(round))

    def begun(self, until: str | None = None, round: int = 1) -> tuple[Server, Mapping[int, bytes | None]]:
        """A round up to a stage, with its questions; who refuses is out of it."""
        masking = masking_of(self.plan.defenses())
        assert masking is not None
        before = self.plan.public_task().split(wire.to_tensors(self.weights))
        clients = range(self.plan.federation.clients)
        model = wire.model_digest(RecordDict({"arrays": self.weights}))
        server = Server(self.session(round), clients, masking.entries(before), model)
        questions: Mapping[int, bytes | None] = dict.fromkeys(clients)
        while server.stage not in (until, None):
            self.answered(server, questions, round=round)
            questions = server.close()
        return server, questions

    def answered(self, server: Server, questions: Mapping[int, bytes | None], *, round: int = 1) -> dict[int, str]:
        """Asks a stage's questions and hands on the answers; what was refused, and by whom."""
        refused = {}
        for client, question in questions.items():
            reply = self.ask(str(server.stage), client, question, **{wire.ROUND: round})
            if reply.has_error():
                refused[client] = str(reply.error.reason)
                continue
            try:
                server.receive(client, wire.answer_of(reply.content))
            except FederationError as error:
                refused[client] = str(error)
        return refused


@pytest.fixture
def lying_server(tmp_path: Path) -> Callable[..., LyingServer]:
    return lambda **changes: LyingServer(tmp_path, **changes)
