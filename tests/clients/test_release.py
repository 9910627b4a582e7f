"""A party's part of the joint network: handed over where the plan has it leave, as it is after the round, and once."""

import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict

from fedleak.clients.columns import columns_of
from fedleak.federation import wire
from fedleak.io.fingerprint import source_fingerprint
from fedleak.learning.split import held_by
from fedleak.tasks import initial_weights
from fedleak.vault.shares import examples_at, used_until

from .conftest import LyingServer

COLUMNS = {"partition": "columns", "clients": 2, "batch_size": 4, "cut": 3, "rounds": 3, "release": [1, 2]}
ROWS = torch.arange(4)


@pytest.fixture
def server(tmp_path):
    return LyingServer(tmp_path, federation=COLUMNS)


def ask(server: LyingServer, kind: str, party: int, round: int, step: int = 0, steps: int = 0, **tensors) -> Message:
    config = {wire.ROUND: round, wire.FINGERPRINT: source_fingerprint(), wire.STEP: step, wire.STEPS: steps}
    content = RecordDict({"config": ConfigRecord(config), "arrays": wire.to_arrays(tensors)})
    [reply] = server.grid.send_and_receive([Message(content, party + 1, kind)])
    return reply


def stepped(server: LyingServer, round: int, step: int, steps: int, rows: torch.Tensor = ROWS) -> bool:
    """Whether parties take a step."""
    place = (round, step, steps)
    sent = ask(server, wire.FORWARD, 1, *place, rows=rows)
    if sent.has_error():
        return False
    embedding = wire.to_tensors(wire.arrays_of(sent.content))[wire.EMBEDDING]
    top = ask(server, wire.TOP, 0, *place, rows=rows, **{f"{wire.EMBEDDING}.1": embedding})
    slope = wire.to_tensors(wire.arrays_of(top.content))[f"{wire.SLOPE}.1"]
    return not ask(server, wire.BACKWARD, 1, *place, rows=rows, **{wire.SLOPE: slope}).has_error()


def part(server: LyingServer, party: int, round: int):
    reply = ask(server, wire.PART, party, round)
    return str(reply.error.reason) if reply.has_error() else wire.to_tensors(wire.arrays_of(reply.content))


def test_it_is_what_the_party_holds(server):
    fresh = initial_weights("digits-mlp", 0, split=server.plan.federation.split)
    assert stepped(server, 1, 1, 1)
    for party in (0, 1):
        own, before = part(server, party, 1), held_by(fresh, party).state_dict()
        assert list(own) == list(before)
        assert all(one.shape == before[name].shape and not torch.equal(one, before[name]) for name, one in own.items())


def test_it_stays_where_no_release_is_planned_or_the_weights_are_of_another_round(server):
    assert stepped(server, 1, 1, 1)
    assert "does not leave this federation after round 3" in part(server, 1, 3)
    assert "has weights of round 1, and is asked for those after round 2" in part(server, 1, 2)


def test_no_second_version_comes_of_a_round(server):
    assert stepped(server, 1, 1, 2)
    first = part(server, 1, 1)
    assert not stepped(server, 1, 2, 2), "the round is over with its release"
    assert all(torch.equal(one, part(server, 1, 1)[name]) for name, one in first.items())
    assert stepped(server, 2, 1, 1)


def test_what_trained_for_it_is_deposited(server, tmp_path):
    assert stepped(server, 1, 1, 2, torch.tensor([5, 1]))
    assert stepped(server, 1, 2, 2, torch.tensor([3, 5]))
    assert stepped(server, 2, 1, 2, torch.tensor([7]))  # and no second step
    assert stepped(server, 3, 1, 1, torch.tensor([8]))  # for no release to come
    assert used_until(tmp_path / "t", 1) == {0: [1, 3, 5], 1: [1, 3, 5]}
    part(server, 0, 2)
    own = columns_of(server.plan, 0)
    kept, others = (examples_at(tmp_path / "t", party, [7, 1]) for party in (0, 1))
    assert torch.equal(kept.inputs, own.inputs[[7, 1]])
    assert torch.equal(kept.labels, own.labels[[7, 1]])
    assert others.labels.tolist() == [-1, -1]


def test_of_a_round_that_broke_off_the_rows_are_deposited_with_the_next(server, tmp_path):
    assert stepped(server, 1, 1, 9, torch.tensor([5, 1]))
    assert stepped(server, 2, 1, 9, torch.tensor([7]))
    assert used_until(tmp_path / "t", 9) == {0: [1, 5], 1: [1, 5]}
    assert part(server, 0, 2)
    assert used_until(tmp_path / "t", 9, (0,)) == {0: [1, 5, 7]}
