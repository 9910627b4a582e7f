"""A client's part in secure aggregation: what it answers from its own state, and what it refuses."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedleak.errors import FederationError
from fedleak.federation import wire
from fedleak.secure_aggregation.client import Client
from fedleak.secure_aggregation.member import Member
from fedleak.secure_aggregation.messages import (
    ADVERTISEMENT,
    CONFIRMATIONS,
    DELIVERED,
    ROSTER,
    STAGES,
    SURVIVORS,
    Advertisement,
)

SECAGG = [{"use": "secure-aggregation", "threshold": 3}]
SEEDED = [{**SECAGG[0], "keys": "seeded"}]
Serve = Callable[..., Any]


def answers(server: Any, stage: str, client: int, question: bytes | None, **said: Any) -> Any:
    return wire.answer_of(server.ask(stage, client, question, **said).content)


def test_keys_are_its_own_and_change_with_round_and_plan_and_system_keys_with_every_run(lying_server: Serve) -> None:
    def key(chain: list[Any], client: int = 0, round: int = 1, **federation: Any) -> Any:
        server = lying_server(chain=chain, federation={"rounds": 2, **federation})
        return answers(server, "advertise", client, None, **{wire.ROUND: round})

    assert len({key(SEEDED), key(SEEDED, 1), key(SEEDED, 0, 2), key(SEEDED, learning_rate=0.2)}) == 4
    assert key(SEEDED) == key(SEEDED)
    assert key(SECAGG) != key(SECAGG)


@pytest.mark.slow
@pytest.mark.parametrize("chain", [SECAGG, SEEDED], ids=["system", "seeded"])
def test_stages_may_reach_different_processes_and_are_answered_alike_when_asked_again(
    lying_server: Serve, chain: list[Any]
) -> None:
    server = lying_server(chain=chain)
    rest, questions = server.begun("advertise")
    while (stage := rest.stage) is not None:
        before = copy.deepcopy(server.grid._contexts)
        replies = {client: answers(server, stage, client, asked) for client, asked in questions.items()}
        again = {client: answers(server, stage, client, asked) for client, asked in questions.items()}
        assert all(np.array_equal(replies[client], again[client]) for client in replies)
        if chain is SEEDED or stage != "advertise":  # where the system gives keys
            server.grid._contexts = before  # as a process that was killed before it answered
            replies = {client: answers(server, stage, client, asked) for client, asked in questions.items()}
            assert all(np.array_equal(replies[client], again[client]) for client in replies)
        for client, answer in replies.items():
            rest.receive(client, answer)
        questions = rest.close()
    assert rest.total[-1] == 4


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_stage_out_of_turn_is_refused(lying_server: Serve, stage: str) -> None:
    server = lying_server(chain=SECAGG)
    assert f"must be asked for 'advertise' next, and was asked for '{stage}'" in server.refusal(stage, 0, b"anything")
    server.begun("share")
    later = STAGES[max(STAGES.index(stage), 2)]
    assert f"must be asked for 'share' next, and was asked for '{later}'" in server.refusal(later, 0, b"anything")


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_stage_is_answered_once_and_for_one_content(lying_server: Serve, stage: str) -> None:
    server = lying_server(chain=SECAGG)
    _, questions = server.begun(stage)
    server.ask(stage, 0, questions[0])
    refusal = server.refusal(stage, 0, questions[0][:-1] + bytes([questions[0][-1] ^ 1]))
    assert (
        "again, with another content" in refusal or f"has answered '{stage}' and answers again for the same" in refusal
    )


def test_rounds_do_not_go_back_and_are_in_the_plan(lying_server: Serve) -> None:
    server = lying_server(chain=SECAGG, federation={"rounds": 2})
    assert not server.ask("advertise", 0, **{wire.ROUND: 2}).has_error()
    for stage in STAGES:
        assert "goes back to round 1" in server.refusal(stage, 0)
    for round in (0, 3):
        assert "the plan of this run has rounds 1 to 2" in server.refusal("advertise", 1, **{wire.ROUND: round})


def test_a_run_without_it_has_no_stages(lying_server: Serve) -> None:
    for stage in ("advertise", "share", "confirm", "unmask"):
        assert "the run has none; this client refuses" in lying_server().refusal(stage, 0, b"x")


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES[1:])
@pytest.mark.parametrize("question", [None, b"", b"x", bytes(200)], ids=["nothing", "empty", "short", "zeros"])
def test_what_is_no_question_is_refused_in_a_sentence(lying_server: Serve, stage: str, question: Any) -> None:
    server = lying_server(chain=SECAGG)
    server.begun(stage)
    assert server.refusal(stage, 0, question).startswith("FederationError: secure-aggregation: the server must send")


def without(client: int) -> Any:
    return lambda table: {other: row for other, row in table.items() if other != client}


def with_one_key_twice(table: dict[int, bytes]) -> dict[int, bytes]:
    return {**table, 2: table[1]}


def with_a_row_of_another(table: dict[int, bytes]) -> dict[int, bytes]:
    return {**table, 0: table[1]}


def of_two(table: dict[int, bytes]) -> dict[int, bytes]:
    return {client: table[client] for client in list(table)[:2]}


def of_one(table: dict[int, bytes]) -> dict[int, bytes]:
    return {client: table[client] for client in list(table)[:1]}


def with_a_stranger(table: dict[int, bytes]) -> dict[int, bytes]:
    return {**table, 7: next(iter(table.values()))}


def with_signatures_changed_round(table: dict[int, bytes]) -> dict[int, bytes]:
    clients = list(table)
    return {one: table[other] for one, other in zip(clients, clients[1:] + clients[:1], strict=True)}


LIES = [
    ("share", ROSTER, without(0), "must hold the keys of client 0 as it advertised them, and holds none"),
    ("share", ROSTER, with_a_row_of_another, "as it advertised them, and holds others"),
    ("share", ROSTER, with_one_key_twice, "must hold every key once, and it holds one twice"),
    ("share", ROSTER, of_two, "threshold must be at most 2"),
    (
        "masked",
        DELIVERED,
        of_one,
        "at least 3 of the neighbourhood of client 0 must share its secrets, and 2 did",
    ),
    ("masked", DELIVERED, with_a_stranger, "must not hold client 7"),
    ("masked", DELIVERED, with_signatures_changed_round, "the box from client 1 must open with the key"),
    ("confirm", SURVIVORS, without(0), "must hold client 0, who is asked to sign it, and does not"),
    ("confirm", SURVIVORS, of_two, "at least 3 of the neighbourhood of client 0 must survive, and 2 did"),
    ("confirm", SURVIVORS, with_a_stranger, "the list of survivors must not hold client 7"),
    ("unmask", CONFIRMATIONS, of_two, "must sign the same list of survivors, and 2 did"),
    ("unmask", CONFIRMATIONS, with_signatures_changed_round, "the signature that came is not its own"),
    ("unmask", CONFIRMATIONS, with_a_stranger, "must not hold client 7"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "layout", "lie", "sentence"), LIES)
def test_a_lie_is_refused_in_its_sentence_and_the_others_end_the_round(
    lying_server: Serve, stage: str, layout: Any, lie: Any, sentence: str
) -> None:
    server = lying_server(chain=SECAGG)
    rest, questions = server.begun(stage)
    table = layout.from_bytes(rest.session, questions[0], "the server")
    refused = server.answered(rest, {**questions, 0: layout.to_bytes(rest.session, lie(dict(table)))})
    assert list(refused) == [0]
    assert refused[0].startswith("FederationError: ")
    assert sentence in refused[0]
    questions = rest.close()
    while rest.stage is not None:
        assert not server.answered(rest, questions)
        questions = rest.close()
    assert rest.survivors == ((0, 1, 2, 3) if stage in ("confirm", "unmask") else (1, 2, 3))
    assert rest.total[-1] == len(rest.survivors)


def test_three_of_four_boxes_are_enough_to_answer_and_then_the_fourth_is_no_survivor_and_the_sum_stays_masked(
    lying_server: Serve,
) -> None:
    """Client 0, with its own and two boxes, has no mask with client 3, which has one with it."""
    server = lying_server(chain=SECAGG)
    rest, questions = server.begun("masked")
    boxes = DELIVERED.from_bytes(rest.session, questions[0], "the server")
    assert list(boxes) == [1, 2, 3]
    fewer = DELIVERED.to_bytes(rest.session, of_two(boxes))
    assert not server.answered(rest, {**questions, 0: fewer})
    refused = server.answered(rest, rest.close())
    assert list(refused) == [0]
    assert "the list of survivors must not hold client 3" in refused[0]
    assert not server.answered(rest, rest.close())
    rest.close()
    assert rest.survivors == (0, 1, 2, 3)
    assert int(rest.total[-1]) != 4  # one mask is left


def test_clients_that_were_sent_different_models_sign_nothing_and_the_sum_stays_masked(lying_server: Serve) -> None:
    server = lying_server(chain=SECAGG)
    rest, questions = server.begun("masked")
    for client, question in questions.items():
        rest.receive(client, answers(server, "masked", client, question, dead=client == 1))
    questions = rest.close()
    refused = server.answered(rest, questions)
    assert "client 1 must sign what it states" in refused[1]
    server.answered(rest, rest.close())
    rest.close()
    assert int(rest.total[-1]) != 4  # what is left of masks that do not cancel


def test_a_node_holds_runs_to_its_own_floor_before_anything_of_it_is_out(lying_server: Serve) -> None:
    server = lying_server(chain=SECAGG)
    server.grid._contexts[1].node_config["smallest-cohort"] = 4
    for kind in ("query", *STAGES):
        assert "a sum over 4 clients, and the run opens one over 3 where others leave" in server.refusal(kind, 0, b"x")
    server.grid._contexts[1].node_config["smallest-cohort"] = 3
    server.begun("share")
    server.grid._contexts[1].node_config["required-defenses"] = "clipping"
    for kind in ("query", "advertise", "share", "masked", "confirm", "unmask", "evaluate"):
        assert "this node requires 'clipping', and the run's defenses are" in server.refusal(kind, 0, b"x")


@pytest.mark.parametrize("chain", [SECAGG, [{"use": "clipping", "max_norm": 1.0}, *SECAGG]], ids=["plain", "clipped"])
def test_who_asks_for_training_alone_learns_nothing_of_the_examples(lying_server: Serve, chain: list[Any]) -> None:
    """Whatever the model: no example is touched before it is a client's turn."""
    server = lying_server(chain=chain)
    said = set()
    for factor in (1.0, 1e8, 1e20, float("nan")):
        changed = {name: value * factor for name, value in wire.to_tensors(server.weights).items()}
        server.dead = wire.to_arrays(changed)
        said.add(server.refusal("masked", 0, b"x", dead=True))
    assert len(said) == 1
    assert "must be asked for 'advertise' next" in said.pop()


def test_a_round_is_used_up_by_the_first_model_also_where_training_fails(lying_server: Serve) -> None:
    server = lying_server(chain=SECAGG)
    _, questions = server.begun("masked")
    huge = {name: value * 1e9 for name, value in wire.to_tensors(server.weights).items()}
    kept, server.weights = server.weights, wire.to_arrays(huge)
    first = server.refusal("masked", 0, questions[0])
    assert not any(digit in first.split("below")[0] for digit in "123456789")  # no figure of the update
    server.weights = kept
    assert "asks for round 1 again, with another content" in server.refusal("masked", 0, questions[0])
    server.weights = wire.to_arrays(huge)
    assert server.refusal("masked", 0, questions[0]) == first


def test_a_node_with_a_registry_trains_in_no_round_that_is_undefended(lying_server: Serve) -> None:
    server = lying_server(chain=SECAGG, model={"trained_rounds": 1})
    server.grid._contexts[1].node_config["smallest-threshold"] = 3
    assert "rounds before the recorded ones have none" in server.refusal("masked", 0, **{wire.PRETRAINING: True})


def test_on_a_sparse_graph_a_roster_of_a_part_is_refused(lying_server: Serve) -> None:
    """Else a server could open many small sums, or fill a neighbourhood with its own."""
    server = lying_server(
        chain=[{"use": "secure-aggregation", "neighbours": 4, "threshold": 3}], federation={"clients": 12}
    )
    rest, questions = server.begun("share")
    rows = ROSTER.from_bytes(rest.session, questions[0], "the server")
    part = {client: rows[client] for client in range(8)}
    refusal = server.refusal("share", 0, ROSTER.to_bytes(rest.session, part))
    assert "a sum must be over at least 9 clients, and 8 advertised keys" in refusal


def test_who_deals_shares_again_deals_the_same(lying_server: Serve) -> None:
    """Two sharings in boxes under one key would open each other."""
    server = lying_server(chain=SECAGG)
    _, questions = server.begun("share")
    before = copy.deepcopy(server.grid._contexts)
    first = answers(server, "share", 0, questions[0])
    server.grid._contexts = before
    assert answers(server, "share", 0, questions[0]) == first


def test_state_that_is_none_is_one_sentence(lying_server: Serve) -> None:
    server = lying_server(chain=SECAGG)
    server.begun("share")
    server.grid._contexts[1].state["fedleak.secure-aggregation"]["kept"] = b"{}"
    assert "goes on from the state that it kept, and what is stored is none" in server.refusal("share", 0, b"x")


def test_an_advertisement_of_another_round_is_none_of_this_one(lying_server: Serve) -> None:
    server = lying_server(chain=SECAGG, federation={"rounds": 2})
    first = answers(server, "advertise", 0, None)
    with pytest.raises(FederationError, match="one of another session"):
        ADVERTISEMENT.from_bytes(server.session(2), first, "client 0")


def test_with_a_registry_of_the_experiment_all_keep_their_identity_and_a_stranger_is_refused(
    lying_server: Serve,
) -> None:
    registered = [{**SEEDED[0], "registry": True}]
    first = lying_server(chain=registered, federation={"rounds": 2})
    tables = [ROSTER.from_bytes(first.session(round), first.begun("share", round)[1][0], "") for round in (1, 2)]
    one, other = ([Advertisement.from_bytes(row) for row in table.values()] for table in tables)
    assert [row.identity for row in one] == [row.identity for row in other]
    assert {row.mask for row in one}.isdisjoint(row.mask for row in other)
    server = lying_server(chain=registered)
    rest, questions = server.begun("share")
    rows = dict(ROSTER.from_bytes(server.session(), questions[0], "the server"))
    stranger = Client.begin(Member(client=3, session=server.session())).advertise()[1]
    rows[3] = ADVERTISEMENT.from_bytes(server.session(), stranger, "")[3]
    refusal = server.refusal("share", 0, ROSTER.to_bytes(server.session(), rows))
    assert "client 3 must have the identity key that is registered for it, and another came" in refusal
    assert not server.answered(rest, questions)


def test_a_registry_of_files_that_a_node_does_not_have_is_asked_for(lying_server: Serve) -> None:
    server = lying_server(chain=[{**SECAGG[0], "registry": True}])
    assert "this node has none; it refuses: give it registry and identity-key" in server.refusal("advertise")
