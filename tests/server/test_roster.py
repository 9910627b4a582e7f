"""Replies as a deployed Flower gives them: from nodes that died, twice, too late, from strangers."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Error, Message, MessageType, RecordDict

from fedleak.errors import FederationError
from fedleak.federation import engine
from fedleak.federation.engine import run_federation
from fedleak.federation.loopback import LoopbackGrid
from fedleak.federation.outcome import FederationReport
from fedleak.federation.plan import FederationPlan
from fedleak.recording.files import read_recording
from fedleak.settings.base import parse_settings

SUPERLINK = 1
"""Whose id an error about a node that died has."""
NODE_UNAVAILABLE = 5
Spoil = Callable[[Message, Message], list[Message]]


def of_the_superlink(message: Message, reason: str | None = "Node Unavailable") -> Message:
    """What a SuperLink answers in the place of a node that is gone."""
    reply = Message(Error(NODE_UNAVAILABLE, reason), reply_to=message)
    reply.metadata.__dict__.update(_src_node_id=SUPERLINK, _message_type="system", _group_id="")
    return reply


def stray(reply: Message) -> Message:
    """An answer to a message of another time."""
    other = Message(reply.content, reply_to=Message(RecordDict(), reply.metadata.src_node_id, MessageType.TRAIN))
    other.metadata.__dict__["_reply_to_message_id"] = "long ago"
    return other


def training(message: Message) -> bool:
    return message.metadata.message_type == MessageType.TRAIN


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FederationReport]:
    """A federation of four on a grid that spoils replies; no node has the SuperLink's id."""

    def go(spoil: Spoil, **changes: Any) -> FederationReport:
        class Deployed(LoopbackGrid):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments)
                self._contexts = {1000 - 7 * node: context for node, context in self._contexts.items()}

            def send_and_receive(
                self, messages: Iterable[Message], *, timeout: float | None = None
            ) -> Iterable[Message]:
                sent = list(messages)
                replies = list(super().send_and_receive(sent, timeout=timeout))
                return [one for message, reply in zip(sent, replies, strict=True) for one in spoil(message, reply)]

        monkeypatch.setattr(engine, "LoopbackGrid", Deployed)
        tree = {"task": "digits-mlp", "recordings": str(tmp_path / "r"), "vault": str(tmp_path / "v")}
        return run_federation(parse_settings(FederationPlan, {**tree, "federation": {"clients": 4}, **changes}))

    return go


def recorded(report: FederationReport) -> list[tuple[int, ...]]:
    return [read_recording(path).cohort for path in report.recordings]


def test_a_node_that_died_costs_its_own_update_alone(run: Callable[..., FederationReport]) -> None:
    gone = 1000 - 7 * 2
    report = run(
        lambda message, reply: [
            of_the_superlink(message) if training(message) and message.metadata.dst_node_id == gone else reply
        ],
        federation={"clients": 4, "rounds": 2},
    )
    assert recorded(report) == [(0,), (2,), (3,)] * 2
    assert [(one.client, one.round, one.reason) for one in report.failures] == [
        (1, 1, "Node Unavailable"),
        (1, 2, "Node Unavailable"),
    ]
    assert set(report.costs) == {1, 2}


@pytest.mark.parametrize("asked", [MessageType.TRAIN, MessageType.EVALUATE])
def test_where_every_node_died_a_training_round_ends_the_federation(
    run: Callable[..., FederationReport], asked: str
) -> None:
    def spoil(message: Message, reply: Message) -> list[Message]:
        return [of_the_superlink(message, None) if message.metadata.message_type == asked else reply]

    federation = {"clients": 4, "fraction_evaluate": 1.0}
    if asked == MessageType.TRAIN:
        with pytest.raises(FederationError, match="no client sent an update: Flower gives no reason"):
            run(spoil, federation=federation)
    else:
        assert len(run(spoil, federation=federation).failures) == 4


def test_a_dead_node_under_secure_aggregation_costs_its_own_update_alone(run: Callable[..., FederationReport]) -> None:
    report = run(
        lambda message, reply: [
            of_the_superlink(message) if training(message) and message.metadata.dst_node_id == 979 else reply
        ],
        chain=[{"use": "secure-aggregation"}],
    )
    assert recorded(report) == [(0,), (1,), (3,), (0, 1, 3)]
    assert [(one.client, one.reason) for one in report.failures] == [(2, "Node Unavailable")]


def test_replies_that_come_twice_late_or_from_nowhere_change_nothing(run: Callable[..., FederationReport]) -> None:
    plain = run(lambda message, reply: [reply])
    expected = [path.read_bytes() for path in plain.recordings]
    spoilt = run(lambda message, reply: [stray(reply), of_the_superlink(message), reply, reply])
    assert [path.read_bytes() for path in spoilt.recordings] == expected
    assert not spoilt.failures
    assert spoilt.costs[1].bytes_sent == plain.costs[1].bytes_sent


def test_a_reply_is_the_one_of_the_message_that_it_answers_whatever_node_it_names(
    run: Callable[..., FederationReport],
) -> None:
    def renamed(message: Message, reply: Message) -> list[Message]:
        reply.metadata.__dict__["_src_node_id"] = SUPERLINK
        return [reply]

    assert recorded(run(renamed, chain=[{"use": "secure-aggregation"}]))[-1] == (0, 1, 2, 3)


def test_a_dead_node_at_the_beginning_is_no_loss_where_another_has_its_share(
    run: Callable[..., FederationReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that was started again is a new node, and the old one is still listed."""
    names = LoopbackGrid.get_node_ids
    monkeypatch.setattr(LoopbackGrid, "get_node_ids", lambda grid: [*names(grid), 5])
    deliver = LoopbackGrid._deliver

    def to_nobody(grid: LoopbackGrid, message: Message) -> str:
        if message.metadata.dst_node_id != 5:
            return deliver(grid, message)
        message.metadata.__dict__["_message_id"] = "to nobody"
        grid._replies["to nobody"] = of_the_superlink(message)
        return "to nobody"

    monkeypatch.setattr(LoopbackGrid, "_deliver", to_nobody)
    assert recorded(run(lambda message, reply: [reply])) == [(0,), (1,), (2,), (3,)]
