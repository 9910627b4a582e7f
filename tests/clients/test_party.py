"""What a party that holds columns answers, and what it refuses of a server that lies."""

from typing import Any

import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict

from fedleak.clients.columns import columns_of
from fedleak.federation import wire
from fedleak.io.fingerprint import source_fingerprint
from fedleak.learning.weights import NamedTensors

from .conftest import LyingServer

ROWS = {wire.ROWS: torch.arange(4)}
COLUMNS = {"partition": "columns", "clients": 2, "batch_size": 4, "momentum": 0.9, "cut": 3}


@pytest.fixture
def server(tmp_path):
    return LyingServer(tmp_path, federation=COLUMNS)


def ask(server: LyingServer, kind: str, party: int, tensors: NamedTensors = ROWS, **said: Any) -> Message:
    config = {wire.ROUND: 1, wire.STEP: 1, wire.STEPS: 3, wire.FINGERPRINT: source_fingerprint(), **said}
    content = RecordDict({"config": ConfigRecord(config), "arrays": wire.to_arrays(tensors)})
    [reply] = server.grid.send_and_receive([Message(content, party + 1, kind)])
    return reply


def refusal(*asked: Any, **said: Any) -> str:
    reply = ask(*asked, **said)
    assert reply.has_error()
    return str(reply.error.reason)


def stepped(server: LyingServer, **said: Any) -> NamedTensors:
    """One whole step, honestly; what the passive party sent."""
    sent = wire.to_tensors(wire.arrays_of(ask(server, wire.FORWARD, 1, **said).content))[wire.EMBEDDING]
    top = ask(server, wire.TOP, 0, {**ROWS, f"{wire.EMBEDDING}.1": sent}, **said)
    slope = wire.to_tensors(wire.arrays_of(top.content))[f"{wire.SLOPE}.1"]
    assert not ask(server, wire.BACKWARD, 1, {**ROWS, wire.SLOPE: slope}, **said).has_error()
    return {wire.EMBEDDING: sent, wire.SLOPE: slope}


def test_weights_move_by_a_whole_step_and_by_nothing_less(server):
    first = stepped(server)
    assert first[wire.EMBEDDING].shape == first[wire.SLOPE].shape == (4, 128)
    again = wire.to_tensors(wire.arrays_of(ask(server, wire.FORWARD, 1, **{wire.STEP: 2}).content))[wire.EMBEDDING]
    same = wire.to_tensors(wire.arrays_of(ask(server, wire.FORWARD, 1, **{wire.STEP: 2}).content))[wire.EMBEDDING]
    assert not torch.equal(again, first[wire.EMBEDDING])
    assert torch.equal(again, same)


@pytest.mark.parametrize(("step", "round"), [(1, 1), (3, 1), (2, 2), (4, 1), (2, 0)])
def test_a_step_that_does_not_follow_the_last_is_refused(server, step, round):
    stepped(server)
    said = {wire.STEP: step, wire.ROUND: round}
    assert "expected step 2 of round 1 or the first of a later one" in refusal(server, wire.FORWARD, 1, **said)
    assert "this party refuses" in refusal(server, wire.BACKWARD, 1, {**ROWS, wire.SLOPE: torch.ones(4, 128)}, **said)
    assert "this party refuses" in refusal(
        server, wire.TOP, 0, {**ROWS, f"{wire.EMBEDDING}.1": torch.ones(4, 128)}, **said
    )


def test_a_later_round_begins_at_its_first_step(server):
    stepped(server)
    stepped(server, **{wire.ROUND: 3})


def test_what_is_missing_is_said(server):
    assert "'rows'" in refusal(server, wire.FORWARD, 1, {"line": torch.arange(4)})
    ask(server, wire.FORWARD, 1)
    assert "'slope'" in refusal(server, wire.BACKWARD, 1)
    assert "'embedding.1'" in refusal(server, wire.TOP, 0)
    assert "expected rows from 0 to" in refusal(server, wire.FORWARD, 1, {wire.ROWS: torch.tensor([0, 10**6])})
    assert "expected rows from 0 to" in refusal(server, wire.FORWARD, 1, {wire.ROWS: torch.tensor([-1])})


def test_a_passive_party_has_no_labels_to_train_by(server):
    asked = {**ROWS, f"{wire.EMBEDDING}.1": torch.ones(4, 128)}
    assert "party 1 has no labels; ask party 0" in refusal(server, wire.TOP, 1, asked)
    plan = server.plan
    assert columns_of(plan, 1).labels is None
    assert columns_of(plan, 0).labels is not None
    assert columns_of(plan, 0, test=True).labels is not None


@pytest.mark.parametrize("kind", ["train", "evaluate", "train.student", "train.open_sum", "advertise"])
def test_who_holds_columns_trains_on_no_examples_whatever_is_asked(server, kind):
    assert "holds columns" in server.refusal(kind)


def test_who_holds_examples_answers_no_message_of_parties(tmp_path):
    server = LyingServer(tmp_path)
    for kind in (wire.FORWARD, wire.TOP, wire.BACKWARD, wire.ASSESS, wire.COUNT):
        assert "this client holds examples, and no columns" in refusal(server, kind, 0)


LIES = [
    torch.ones(4, 64),
    torch.ones(3, 128),
    torch.ones(1, 128),
    torch.ones(128),
    torch.tensor(1.0),
    torch.ones(4, 128, dtype=torch.float64),
    torch.ones(4, 128, dtype=torch.int64),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda one: f"{tuple(one.shape)}-{one.dtype}")
def test_what_is_of_another_size_or_kind_is_refused(server, lie):
    embedding = {**ROWS, f"{wire.EMBEDDING}.1": lie}
    assert "expected 'embedding.1' of shape (4, 128)" in refusal(server, wire.TOP, 0, embedding)
    assert "expected 'embedding.1' of shape (4, 128)" in refusal(
        server, wire.ASSESS, 0, embedding, **{wire.STEP: 0, wire.STEPS: 0}
    )
    ask(server, wire.FORWARD, 1)
    assert "expected 'slope' of shape (4, 128)" in refusal(server, wire.BACKWARD, 1, {**ROWS, wire.SLOPE: lie})


@pytest.mark.parametrize("rows", [torch.tensor(1), torch.zeros(2, 2).long(), torch.zeros(0).long(), torch.ones(2)])
def test_rows_are_numbers_and_one_at_least(server, rows):
    assert "expected numbers of rows" in refusal(server, wire.FORWARD, 1, {wire.ROWS: rows})


def test_a_row_is_asked_for_once_in_a_message(server):
    twice = {wire.ROWS: torch.tensor([5, 2, 5])}
    assert "expected each row once, got 3 of which 2 differ; this party refuses" in refusal(
        server, wire.FORWARD, 1, twice
    )


def test_noise_is_the_same_until_weights_move_whatever_is_asked(tmp_path):
    noisy = LyingServer(tmp_path, federation=COLUMNS, chain=[{"use": "cut-noise", "scale": 0.5}])
    plain = LyingServer(tmp_path, federation=COLUMNS)

    def noise(rows, **said):
        asked = [ask(server, wire.FORWARD, 1, {wire.ROWS: torch.tensor(rows)}, **said) for server in (noisy, plain)]
        sent = [wire.to_tensors(wire.arrays_of(one.content))[wire.EMBEDDING] for one in asked]
        return sent[0] - sent[1]

    first, test = noise([0, 1, 2, 3]), {wire.STEP: 0, wire.STEPS: 0}
    assert float(first.abs().mean()) == pytest.approx(0.5, rel=0.2)
    torch.testing.assert_close(noise([2, 9, 0]), torch.stack([first[2], noise([9])[0], first[0]]), atol=1e-5, rtol=0)
    torch.testing.assert_close(noise([3], **{wire.ROUND: 7}), first[3:], atol=1e-5, rtol=0)
    torch.testing.assert_close(noise([3], **test), noise([4, 3], **test, **{wire.ROUND: 7})[1:], atol=1e-5, rtol=0)
    assert not torch.isclose(noise([3], **test), first[3:]).any(), "test rows are noisy too, with draws of their own"
    stepped(noisy)
    stepped(plain)
    assert not torch.isclose(noise([3], **{wire.STEP: 2}), first[3:], atol=1e-3).all()


def test_a_slope_is_for_what_was_sent_in_the_step(server):
    for sent in ({}, {wire.ROWS: torch.arange(4, 8)}, {wire.ROWS: torch.arange(3)}):
        if sent:
            ask(server, wire.FORWARD, 1, sent)
        slope = {**ROWS, wire.SLOPE: torch.ones(4, 128)}
        assert "expected a slope for the rows that this party was asked for" in refusal(server, wire.BACKWARD, 1, slope)
    first = stepped(server)
    late = {**ROWS, wire.SLOPE: first[wire.SLOPE]}
    assert "step 2 of round 1, got one for others" in refusal(server, wire.BACKWARD, 1, late, **{wire.STEP: 2})


def test_the_active_party_sends_no_embedding_and_judges_no_row_that_it_trains_on(server):
    assert "sends no embedding" in refusal(server, wire.FORWARD, 0)
    assert "this party refuses" in refusal(server, wire.BACKWARD, 0, {**ROWS, wire.SLOPE: torch.ones(4, 128)})
    asked = {**ROWS, f"{wire.EMBEDDING}.1": torch.ones(4, 128)}
    assert "expected the rows of the test split" in refusal(server, wire.ASSESS, 0, asked)


def test_a_step_is_a_whole_number(server):
    assert "expected a whole number for 'step'" in refusal(server, wire.FORWARD, 1, **{wire.STEP: "one"})


def test_a_party_that_has_lost_its_weights_does_not_go_on(server):
    stepped(server)
    last = {wire.LAST_ROUND: 1}
    for said in ({wire.STEP: 2}, {wire.STEP: 0, wire.STEPS: 0}):
        assert not ask(server, wire.FORWARD, 1, **said, **last, **{wire.LAST_STEP: 1}).has_error()
        reason = refusal(server, wire.FORWARD, 1, **said, **last, **{wire.LAST_STEP: 2})
        assert "expected this party's weights after step 2 of round 1, and it has those of step 1" in reason


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_another_s_doing(server, number):
    """No advice on the party's own learning rate alone: whoever sent them may send what it likes."""
    sent = torch.full((4, 128), number)
    assert "expected finite numbers in 'embedding.1', got NaN or infinity of another party" in refusal(
        server, wire.TOP, 0, {**ROWS, f"{wire.EMBEDDING}.1": sent}
    )
