"""A server that asks twice, goes back or says "before the recorded rounds" learns nothing more: the client refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict

from fedleak.clients.app import app
from fedleak.federation import wire
from fedleak.federation.loopback import LoopbackGrid
from fedleak.federation.plan import FederationPlan
from fedleak.io.fingerprint import source_fingerprint
from fedleak.settings.base import parse_settings
from fedleak.tasks import initial_weights

SECAGG = [{"use": "secure-aggregation"}]


class LyingServer:
    """Sends what it likes to clients that live here."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        tree = {"task": "digits-mlp", "recordings": str(folder / "r"), "vault": str(folder / "t"), **changes}
        self.plan = parse_settings(FederationPlan, tree)
        config = self.plan.to_run_config()
        self.grid = LoopbackGrid(app, self.plan.federation.clients, config, lambda reply: None)
        self.weights = wire.to_arrays(initial_weights(self.plan.task, 0).state_dict())
        self.dead = wire.to_arrays(
            {name: torch.zeros_like(value) for name, value in initial_weights(self.plan.task, 0).state_dict().items()}
        )

    def ask(
        self, kind: str = "train", client: int = 0, *, dead: bool = False, keys: Any = None, **said: Any
    ) -> Message:
        record = ConfigRecord({wire.ROUND: 1, wire.FINGERPRINT: source_fingerprint(), **said})
        content = RecordDict({"config": record, "arrays": self.dead if dead else self.weights})
        if keys is not None:
            content[wire.COHORT] = ConfigRecord(keys)
        [reply] = self.grid.send_and_receive([Message(content, client + 1, kind)])
        return reply

    def refusal(self, **said: Any) -> str:
        reply = self.ask(**said)
        assert reply.has_error()
        return str(reply.error.reason)

    def keys(self) -> dict[str, str]:
        """Each client's public key, as an honest server relays it."""
        every = range(self.plan.federation.clients)
        replies = [self.ask(wire.KEY_AGREEMENT, client) for client in every]
        found = [reply.content.config_records[wire.CONFIG][wire.PUBLIC_KEY] for reply in replies]
        return {str(client): key.hex() for client, key in zip(every, found, strict=True)}


def vector(reply: Message) -> np.ndarray:
    return np.concatenate([array.numpy().ravel() for array in wire.arrays_of(reply.content).values()])


@pytest.mark.parametrize("chain", [SECAGG, [{"use": "gaussian-noise", "std": 0.1}], []], ids=str)
def test_no_training_before_the_recorded_rounds_but_what_the_plan_has(tmp_path: Path, chain: list[Any]) -> None:
    never = LyingServer(tmp_path, chain=chain, federation={"clients": 2})
    assert "and model.trained_rounds is 0; what is sent there is undefended" in never.refusal(
        **{wire.PRETRAINING: True}
    )
    once = LyingServer(tmp_path, chain=chain, federation={"clients": 2}, model={"trained_rounds": 1})
    assert not once.ask(**{wire.PRETRAINING: True}).has_error()
    assert "for round 2 of training before" in once.refusal(**{wire.PRETRAINING: True, wire.ROUND: 2})
    assert not once.ask(keys=once.keys() if chain is SECAGG else None).has_error()
    assert "has answered round 1; what is sent there is undefended" in once.refusal(**{wire.PRETRAINING: True})


@pytest.mark.parametrize("chain", [SECAGG, [{"use": "gaussian-noise", "std": 0.1}]], ids=str)
def test_a_round_is_not_answered_for_another_model(tmp_path: Path, chain: list[Any]) -> None:
    server = LyingServer(tmp_path, chain=chain, federation={"clients": 2})
    keys = server.keys() if chain is SECAGG else None
    assert not server.ask(keys=keys).has_error()
    assert "asks for round 1 again, with another content" in server.refusal(keys=keys, dead=True)


def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    feedback = [{"use": "error-feedback", "of": {"use": "top-k", "fraction": 0.1}}]
    server = LyingServer(tmp_path, chain=feedback, federation={"rounds": 3})
    first, other = vector(server.ask()), vector(server.ask(**{wire.ROUND: 2}))
    assert np.array_equal(vector(server.ask(**{wire.ROUND: 2})), other)
    assert not np.array_equal(first, other)
    assert "goes back to round 1, and this client has answered round 2" in server.refusal()
    assert not server.ask(**{wire.ROUND: 3}).has_error()
    assert "the plan of this run has rounds 1 to 3" in server.refusal(**{wire.ROUND: 4})
    assert "asks for round 0, and the plan" in server.refusal(**{wire.ROUND: 0})


def test_another_client_s_history_is_its_own(tmp_path: Path) -> None:
    server = LyingServer(tmp_path, federation={"rounds": 2})
    assert not server.ask(client=0, **{wire.ROUND: 2}).has_error()
    assert not server.ask(client=1, dead=True).has_error()


def test_one_key_twice_is_refused(tmp_path: Path) -> None:
    server = LyingServer(tmp_path, chain=SECAGG, federation={"clients": 3})
    keys = server.keys()
    assert "holds one key twice" in server.refusal(keys={**keys, "2": keys["1"]})


def test_masks_of_clients_that_were_sent_different_models_do_not_cancel(tmp_path: Path) -> None:
    server = LyingServer(tmp_path, chain=SECAGG, federation={"clients": 2})
    keys = server.keys()
    one, other = (wire.to_ring(wire.arrays_of(server.ask(client=i, keys=keys, dead=i == 1).content)) for i in (0, 1))
    examples = float(np.ldexp((one + other).view(np.int64).astype(float)[-1], -40))
    assert abs(examples - 2) > 1e-6


def test_a_node_holds_sums_and_runs_to_its_own_floor(tmp_path: Path) -> None:
    server = LyingServer(tmp_path, chain=SECAGG, federation={"clients": 3})
    keys = server.keys()
    server.grid._contexts[1].node_config["smallest-cohort"] = 3
    assert "over 2 clients, and this client refuses below 3" in server.refusal(keys={k: keys[k] for k in ("0", "1")})
    assert not server.ask(keys=keys).has_error()
    server.grid._contexts[1].node_config["required-defenses"] = "clipping"
    for kind in ("query", "train", wire.KEY_AGREEMENT, "evaluate"):
        assert "this node requires 'clipping', and the run's defenses are" in server.refusal(kind=kind, keys=keys)
