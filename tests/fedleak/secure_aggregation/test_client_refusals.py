"""What a client refuses, each in a sentence: a lying server's questions at every stage."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedleak.errors import FederationError
from fedleak.secure_aggregation import keys, messages
from fedleak.secure_aggregation.client import Client
from fedleak.secure_aggregation.graph import Degree
from fedleak.secure_aggregation.member import Member
from fedleak.secure_aggregation.messages import Advertisement, Session

from_bytes = Advertisement.from_bytes
IDENTITIES = {client: bytes([client + 1] * 32) for client in range(5)}
REGISTRY = {client: keys.identity_key(private) for client, private in IDENTITIES.items()}


def roster_of(one: Any) -> dict[int, bytes]:
    return dict(one.server._roster.rows)


def asked(one: Any, client: int, table: dict[int, bytes], layout: Any) -> Any:
    return one.ask(client, layout.to_bytes(one.session, table))


def signed(session: Session, client: int, identity: bytes, row: bytes, **changed: bytes) -> bytes:
    """A row that an identity signs, with something changed."""
    plain = replace(from_bytes(row), identity=keys.identity_key(identity), **changed)
    return replace(plain, signature=keys.sign(identity, plain.statement(session, client))).to_bytes()


def without_itself(rows: dict[int, bytes], session: Session) -> dict[int, bytes]:
    return {client: row for client, row in rows.items() if client != 0}


def with_its_keys_changed(rows: dict[int, bytes], session: Session) -> dict[int, bytes]:
    return {**rows, 0: signed(session, 0, IDENTITIES[0], rows[0], mask=rows[1][:32])}


def with_a_key_twice(rows: dict[int, bytes], session: Session) -> dict[int, bytes]:
    return {**rows, 1: signed(session, 1, IDENTITIES[1], rows[1], mask=from_bytes(rows[2]).mask)}


def with_a_mask_key_to_encrypt_with(rows: dict[int, bytes], session: Session) -> dict[int, bytes]:
    return {**rows, 1: signed(session, 1, IDENTITIES[1], rows[1], encryption=from_bytes(rows[1]).mask)}


def with_a_row_of_another(rows: dict[int, bytes], session: Session) -> dict[int, bytes]:
    return {**rows, 1: rows[2]}


def with_a_sybil(rows: dict[int, bytes], session: Session) -> dict[int, bytes]:
    return {**rows, 1: signed(session, 1, bytes(32), rows[1])}


def with_a_stranger(rows: dict[int, bytes], session: Session) -> dict[int, bytes]:
    return {**rows, 9: signed(session, 9, bytes(32), rows[1], encryption=bytes(31) + b"e", mask=bytes(31) + b"m")}


def with_keys_nobody_signed(rows: dict[int, bytes], session: Session) -> dict[int, bytes]:
    return {**rows, 1: replace(from_bytes(rows[1]), mask=bytes(31) + b"m").to_bytes()}


def with_too_few(rows: dict[int, bytes], session: Session) -> dict[int, bytes]:
    return {client: rows[client] for client in (0, 1, 2)}


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        (without_itself, "the roster must hold the keys of client 0 as it advertised them, and holds none"),
        (with_its_keys_changed, "the roster must hold the keys of client 0 as it advertised them, and holds others"),
        (with_a_key_twice, "a roster must hold every key once, and it holds one twice"),
        (with_a_mask_key_to_encrypt_with, "a roster must hold every key once"),
        (with_a_row_of_another, "a roster must hold every key once"),
        (with_a_sybil, "client 1 must have the identity key that is registered for it, and another came"),
        (with_a_stranger, "client 9 must have the identity key that is registered for it, and none is registered"),
        (with_keys_nobody_signed, "client 1 must sign what it states"),
        (with_too_few, "threshold must be at most 3"),
    ],
)
def test_rosters_that_lie(lie: Callable[..., Any], sentence: str, make_round: Callable[..., Any]) -> None:
    one = make_round(5, 4, registry=REGISTRY)
    for client, private in IDENTITIES.items():
        one.clients[client] = Client.begin(replace(one.clients[client].member, identity=private))
    one.run(until="share")
    with pytest.raises(FederationError, match=sentence):
        asked(one, 0, lie(roster_of(one), one.session), messages.ROSTER)


def test_a_registry_that_is_kept_lets_the_round_end(make_round: Callable[..., Any]) -> None:
    one = make_round(5, 4, registry=REGISTRY)
    for client, private in IDENTITIES.items():
        one.clients[client] = Client.begin(replace(one.clients[client].member, identity=private))
    one.run({3: 2})
    assert np.array_equal(one.server.total, one.clear_sum([0, 1, 2, 4]))


def test_fewer_clients_than_its_own_floor(make_round: Callable[..., Any]) -> None:
    one = make_round(3, 2, smallest_cohort=4).run(until="share")
    with pytest.raises(FederationError, match="a sum must be over at least 4 clients, and 3 advertised keys"):
        one.answers()
    one = make_round(4, 3, smallest_cohort=4).run({3: 2}, until="confirm")
    with pytest.raises(FederationError, match="over at least 4 clients, and the list of survivors holds 3"):
        one.answers()


def test_boxes_that_are_too_few_forged_or_for_another(make_round: Callable[..., Any]) -> None:
    one = make_round(5, 4).run(until="masked")
    boxes = messages.DELIVERED.from_bytes(one.session, one.questions[0], "")
    others = messages.DELIVERED.from_bytes(one.session, one.questions[1], "")
    lies = [
        ({1: boxes[1], 2: boxes[2]}, "at least 4 of the neighbourhood of client 0 must share its secrets, and 3 did"),
        ({**boxes, 9: boxes[1]}, "the boxes for client 0 must not hold client 9"),
        ({**boxes, 0: boxes[1]}, "the boxes for client 0 must not hold client 0"),
        ({**boxes, 1: boxes[2], 2: boxes[1]}, "the box from client 1 must open with the key"),
        ({**boxes, 2: others[2]}, "the box from client 2 must open with the key that it shares with client 0"),
        ({**boxes, 3: bytes(len(boxes[3]))}, "the box from client 3 must open"),
    ]
    for table, sentence in lies:
        with pytest.raises(FederationError, match=sentence):
            asked(one, 0, table, messages.DELIVERED)


def test_a_box_that_says_another_sender_or_holds_no_shares(make_round: Callable[..., Any]) -> None:
    one = make_round(3, 3).run(until="masked")
    roster, pair = one.clients[1]._roster, one.clients[1]._encryption
    right, wrong = roster._label(1, 0), roster._label(2, 0)
    key = roster._box_key(pair, 1, 0, 1)
    high = b"\xff" * 33
    for content, sentence in (
        (wrong + bytes(66), "must say so, and says otherwise"),
        (right + high * 2, "a share of 33"),
    ):
        boxes = {**messages.DELIVERED.from_bytes(one.session, one.questions[0], ""), 1: keys.seal(key, content, right)}
        with pytest.raises(FederationError, match=sentence):
            asked(one, 0, boxes, messages.DELIVERED)


def test_lists_of_survivors_that_lie(make_round: Callable[..., Any]) -> None:
    one = make_round(5, 4).run({4: 1}, until="confirm")
    lies = [
        ([1, 2, 3], "must hold client 0, who is asked to sign it"),
        ([0, 1, 2], "at least 4 of the neighbourhood of client 0 must survive, and 3 did"),
        ([0, 1, 2, 3, 4], "the list of survivors must not hold client 4"),
        ([0, 1, 2, 3, 8], "the list of survivors must not hold client 8"),
    ]
    for survivors, sentence in lies:
        with pytest.raises(FederationError, match=sentence):
            asked(one, 0, dict.fromkeys(survivors, b""), messages.SURVIVORS)


def test_signatures_that_lie(make_round: Callable[..., Any]) -> None:
    one = make_round(5, 4).run({4: 2}, until="unmask")
    right = messages.CONFIRMATIONS.from_bytes(one.session, one.questions[0], "")
    lies = [
        ({client: right[client] for client in (0, 1, 2)}, "at least 4 .* must sign the same list of survivors, and 3"),
        ({**right, 1: right[2]}, "client 1 must sign what it states"),
        ({**right, 4: right[2]}, "the signatures for client 0 must not hold client 4"),
        ({**right, 8: right[2]}, "must not hold client 8"),
    ]
    for table, sentence in lies:
        with pytest.raises(FederationError, match=sentence):
            asked(one, 0, table, messages.CONFIRMATIONS)


def test_signatures_under_another_list_or_model_open_nothing(make_round: Callable[..., Any]) -> None:
    """Clients 3 and 4 are shown another list, or got another model: the others see that they do not agree."""
    one = make_round(5, 4).run(until="confirm")
    other = messages.SURVIVORS.to_bytes(one.session, dict.fromkeys(range(1, 5), b""))
    answers = {client: one.ask(client, other if client > 2 else one.questions[client]) for client in range(5)}
    collected = {client: messages.CONFIRMATION.of_client(one.session, answers[client], client) for client in range(5)}
    one.server.stage = "unmask"
    for client in (0, 1, 3):
        with pytest.raises(FederationError, match=r"must sign what it states|must not hold client 0"):
            asked(one, client, {near: collected[near] for near in range(5) if client != near}, messages.CONFIRMATIONS)


def test_clients_that_were_sent_different_models_cancel_nothing(make_round: Callable[..., Any]) -> None:
    one = make_round(4, 3, entries=50).run(until="masked")
    model = bytes(32)
    answers = {client: one.ask(client, one.questions[client], *([model] if client == 0 else [])) for client in range(4)}
    for client, answer in answers.items():
        one.server.receive(client, answer)
    one.questions = dict(one.server.close())
    with pytest.raises(FederationError, match="client 0 must sign what it states"):
        one.server.receive(0, one.ask(0, one.questions[0]))
    for client in (1, 2, 3):
        one.server.receive(client, one.ask(client, one.questions[client]))
    one.questions = dict(one.server.close())
    one.step()
    assert (one.server.total != one.clear_sum(range(4))).mean() > 0.9
    assert (one.server.total != one.clear_sum([0])).mean() > 0.9


def test_the_same_content_gets_the_same_answer_and_another_is_refused(make_round: Callable[..., Any]) -> None:
    one = make_round(4, 3, seed=None)
    while one.server.stage is not None:
        stage, question = one.server.stage, one.questions[0]
        first = one.ask(0, question)
        assert np.array_equal(one.ask(0, question), first)
        one.step()
        if stage != "advertise":
            one.server.stage, following = stage, one.server.stage
            with pytest.raises(FederationError, match=f"client 0 has answered '{stage}' and answers again"):
                one.ask(0, question + b"x")
            one.server.stage = following


def test_masks_are_used_once(make_round: Callable[..., Any]) -> None:
    """Another vector or model under the same masks would show the difference."""
    one = make_round(3, 3).run(until="masked")
    one.ask(0, one.questions[0])
    with pytest.raises(FederationError, match="client 0 has answered 'masked'"):
        one.ask(0, one.questions[0], bytes(32))
    one.vectors = {0: np.zeros(5, np.uint64)}
    with pytest.raises(FederationError, match="client 0 has answered 'masked'"):
        one.ask(0, one.questions[0])


@pytest.mark.parametrize("early", ["share", "confirm", "unmask"])
def test_stages_out_of_order(early: str) -> None:
    client = Client.begin(Member(client=0, session=Session(name=bytes(32), degree=Degree(2))))
    with pytest.raises(FederationError, match=rf"client 0 must be asked for 'advertise' next, .* for '{early}'"):
        getattr(client, early)(b"")


@pytest.mark.parametrize(("field", "stage"), [("encryption", "share"), ("mask", "masked")])
def test_keys_of_low_order(field: str, stage: str, make_round: Callable[..., Any]) -> None:
    """Whoever advertises one and whichever server passes it on: the others stop when they come to use it."""
    one = make_round(3, 2)
    honest = one.clients[1]
    lie = signed(one.session, 1, honest.state.identity, honest._advertisement.to_bytes(), **{field: bytes(32)})

    class Liar(Client):
        _advertisement = property(lambda _: from_bytes(lie))

    one.clients[1] = Liar(honest.member, honest.state)
    answers = one.answers()
    one.server.receive(0, answers[0])
    one.server.receive(2, answers[2])
    with pytest.raises(FederationError, match="client 1 must advertise an X25519 public key"):
        one.server.receive(1, answers[1])
    one.server._answers[1] = {1: lie}
    one.questions = dict(one.server.close())
    with pytest.raises(FederationError, match="client 1 must advertise an X25519 public key, and what came is none"):
        one.run()
    assert one.server.stage == stage


@pytest.mark.parametrize(("vector", "model"), [(np.zeros(3, np.uint32), bytes(32)), (np.zeros(3, np.uint64), b"short")])
def test_a_vector_of_another_ring_or_no_hash(vector: np.ndarray, model: bytes, make_round: Callable[..., Any]) -> None:
    one = make_round(3, 2).run(until="masked")
    with pytest.raises(FederationError, match="what is masked are elements of 64 bits, for the SHA-256 of a model"):
        one.clients[0].masked(one.questions[0], model, vector)
