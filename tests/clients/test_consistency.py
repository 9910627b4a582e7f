"""What a client signs of the models that it is sent, and whose signatures it believes."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import Message, RecordDict

from fedleak.clients.client import Client
from fedleak.clients.consistency import digests_of
from fedleak.clients.floor import Floor
from fedleak.federation import wire

from .conftest import LyingServer

Lying = Callable[..., LyingServer]
RUN: dict[str, Any] = {"federation": {"rounds": 3, "clients": 3}, "chain": [{"use": "model-consistency"}]}


def client_of(server: LyingServer, round: int = 1, floor: Floor = Floor()) -> Client:  # noqa: B008  it is frozen
    return Client(plan=server.plan, partition=0, round=round, pretraining=False, floor=floor)


def answers(server: LyingServer, **said: Any) -> dict[int, RecordDict]:
    return {client: server.ask(wire.COMPARE, client, **said).content for client in range(3)}


def told(said: dict[int, RecordDict]) -> RecordDict:
    return RecordDict({wire.MODELS: wire.models_signed(said)})


def trained(server: LyingServer, said: dict[int, RecordDict], *, dead: bool = False) -> Message:
    """The training message with what all have signed."""
    server.beside = {wire.MODELS: wire.models_signed(said)}
    return server.ask(dead=dead)


def test_what_all_have_signed_is_trained_on(lying_server: Lying) -> None:
    server = lying_server(**RUN)
    assert not trained(server, answers(server)).has_error()


@pytest.mark.parametrize("missing", [(0,), (2,), (0, 1, 2)])
def test_fewer_signatures_than_clients_are_refused(missing: tuple[int, ...], lying_server: Lying) -> None:
    server = lying_server(**RUN)
    said = {client: one for client, one in answers(server).items() if client not in missing}
    reply = trained(server, said)
    assert str(reply.error.reason) == (
        "ModelRefused: client 0 refuses the model of round 1: model-consistency says that not all clients of the round "
        "have signed the same model"
    )


def test_another_model_than_was_signed_is_refused(lying_server: Lying) -> None:
    server = lying_server(**RUN)
    assert trained(server, answers(server), dead=True).has_error()
    other = lying_server(**RUN)
    said = {client: other.ask(wire.COMPARE, client, dead=client == 2).content for client in range(3)}
    assert trained(other, said).has_error()


def test_a_client_signs_one_model_a_round_and_none_of_an_earlier_one(lying_server: Lying) -> None:
    server = lying_server(**RUN)
    first = server.ask(wire.COMPARE).content
    again = server.ask(wire.COMPARE).content
    assert first.config_records[wire.MODELS][wire.DIGEST] == again.config_records[wire.MODELS][wire.DIGEST]
    assert "has signed another in round 1; it refuses" in server.refusal(wire.COMPARE, dead=True)
    assert not server.ask(wire.COMPARE, dead=True, **{wire.ROUND: 2}).has_error()
    assert "has signed another in round 2; it refuses" in server.refusal(wire.COMPARE)
    assert "and the plan of this run has rounds 1 to 3" in server.refusal(wire.COMPARE, **{wire.ROUND: 4})


def test_nothing_is_signed_where_no_defense_compares(lying_server: Lying) -> None:
    assert "no defense of the run does" in lying_server().refusal(wire.COMPARE)


def test_a_signature_counts_for_its_own_client_round_and_model(lying_server: Lying) -> None:
    server = lying_server(**RUN)
    said = answers(server)
    whole = digests_of(client_of(server), told(said))
    assert whole is not None
    assert set(whole) == {0, 1, 2}
    assert digests_of(client_of(server), told({0: said[1], 1: said[0], 2: said[2]})) == {2: whole[2]}
    assert digests_of(client_of(server, round=2), told(said)) == {}
    forged = RecordDict({wire.MODELS: wire.models_signed(said)})
    forged.config_records[wire.MODELS][wire.DIGEST] = [b"x" * 32] * 3
    assert digests_of(client_of(server), forged) == {}
    assert digests_of(client_of(server), told({0: said[0], 1: said[0], 2: said[0]})) == {0: whole[0]}
    assert digests_of(client_of(server), RecordDict({})) == {}


def test_a_registry_says_whose_key_it_must_be(lying_server: Lying) -> None:
    server = lying_server(**RUN)
    said = answers(server)
    rows = {client: (digest, key) for client, digest, _, key in wire.signed_models(told(said))}
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    floor = Floor(registry={0: rows[0][1], 1: stranger, 2: rows[2][1]})
    found = digests_of(client_of(server, floor=floor), told(said))
    assert found == {0: rows[0][0], 2: rows[2][0]}


def test_a_record_of_something_else_is_nothing() -> None:
    silent = wire.models_signed({0: RecordDict({})})
    assert wire.signed_models(RecordDict({wire.MODELS: silent})) == []
    silent[wire.CLIENT] = 7
    assert wire.signed_models(RecordDict({wire.MODELS: silent})) == []
