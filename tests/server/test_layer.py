"""Replies are handed on as they come, matched by the message that they answer, and returned in one order."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Error, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedleak.federation import engine
from fedleak.federation.engine import run_federation
from fedleak.federation.loopback import LoopbackGrid
from fedleak.federation.outcome import COSTS
from fedleak.federation.plan import FederationPlan
from fedleak.recording.files import find_recordings, read_recording
from fedleak.server import layer
from fedleak.server.layer import arriving, replies_in_turn
from fedleak.settings.base import parse_settings


class Remote(Grid):
    """A grid like a SuperLink's: messages are pushed, and each pull brings one more reply, those of the last first."""

    def __init__(self, *arguments: Any) -> None:
        self.near = LoopbackGrid(*arguments)
        self.pulls_left = 1000

    def set_run(self, run: Run) -> None:
        self.near.set_run(run)

    @property
    def run(self) -> Run:
        return self.near.run

    def create_message(self, *arguments: Any) -> Message:
        return self.near.create_message(*arguments)

    def get_node_ids(self) -> Iterable[int]:
        return self.near.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        return self.near.push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        self.pulls_left -= 1
        if self.pulls_left < 0:
            raise SystemExit("killed")
        return self.near.pull_messages(sorted(message_ids, key=int)[-1:])

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        raise AssertionError("it has all replies or none; this server wants each as it comes")


class Dying(Remote):
    """The server is killed once it has the greetings of three nodes and the updates of two."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.pulls_left = 3 + 2


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "POLL_SECONDS", 0.0)


def plan_in(folder: Path, **changes: Any) -> FederationPlan:
    tree = {"task": "digits-mlp", "recordings": str(folder / "r"), "vault": str(folder / "v")}
    return parse_settings(FederationPlan, {**tree, "federation": {"clients": 3, "rounds": 2}, **changes})


def written(folder: Path) -> dict[str, bytes]:
    paths = [path for path in (folder / "r").rglob("*") if path.is_file() and path.name != COSTS]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("chain", [[], [{"use": "secure-aggregation", "keys": "seeded"}]], ids=["clear", "masked"])
def test_what_comes_in_another_order_is_recorded_to_the_last_bit_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: list[dict[str, str]]
) -> None:
    run_federation(plan_in(tmp_path / "near", chain=chain))
    monkeypatch.setattr(engine, "LoopbackGrid", Remote)
    run_federation(plan_in(tmp_path / "remote", chain=chain))
    assert written(tmp_path / "remote") == written(tmp_path / "near")


def test_what_came_before_the_server_was_killed_is_on_disk_and_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_federation(plan_in(tmp_path / "whole"))
    monkeypatch.setattr(engine, "LoopbackGrid", Dying)
    with pytest.raises(SystemExit, match="killed"):
        run_federation(plan_in(tmp_path / "killed"))
    found = find_recordings(tmp_path / "killed" / "r")
    assert [(read_recording(path).round, read_recording(path).cohort) for path in found] == [(1, (1,)), (1, (2,))]
    whole = written(tmp_path / "whole")
    assert all(whole[name] == content for name, content in written(tmp_path / "killed").items())


class Script(Remote):
    """A grid of which is said what each pull brings."""

    def __init__(self, *pulls: list[tuple[int, bool]], unknown: int | None = None) -> None:
        self.pulls = list(pulls)
        self.unknown = unknown
        self.sent: list[Message] = []

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        self.sent = list(messages)
        for place, message in enumerate(self.sent):
            message.metadata.__dict__["_message_id"] = f"id-{place}"
        return [None if place == self.unknown else f"id-{place}" for place in range(len(self.sent))]  # type: ignore[misc]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [self.reply(place, failed) for place, failed in (self.pulls.pop(0) if self.pulls else [])]

    def reply(self, place: int, failed: bool) -> Message:
        """That of a dead node comes from the SuperLink, whose id is 1."""
        content = Error(code=3, reason="Node Unavailable") if failed else RecordDict()
        reply = Message(content, reply_to=self.sent[place])
        if failed:
            reply.metadata.__dict__["_src_node_id"] = 1
        return reply


@pytest.fixture
def three() -> list[Message]:
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 0
    return [Message(RecordDict(), node, "train") for node in (11, 12, 13)]


def test_each_reply_is_there_before_the_next_is_waited_for(three: list[Message]) -> None:
    grid = Script([], [(2, False)], [(0, True), (0, False)], [(1, True)])
    coming = arriving(grid, three, None)
    came = []
    for message, reply in coming:
        came.append((three.index(message), reply.has_error(), len(grid.pulls)))
    assert came == [(2, False, 2), (0, False, 1), (1, True, 0)], "an answer goes before an error for the same message"


def test_replies_are_returned_by_message_whichever_came_first(three: list[Message]) -> None:
    pairs = list(arriving(Script([(2, False)], [(0, False), (1, False)]), three, None))
    replies = replies_in_turn(three, pairs)
    assert [reply.metadata.src_node_id for reply in replies] == [11, 12, 13]


def test_what_cannot_be_pushed_is_not_waited_for(three: list[Message]) -> None:
    pairs = list(arriving(Script([(0, False), (2, False)], unknown=1), three, None))
    assert [three.index(message) for message, _ in pairs] == [0, 2]


def test_time_that_is_over_ends_the_waiting_and_keeps_what_came(three: list[Message]) -> None:
    pairs = list(arriving(Script([(1, False)]), three, 0.05))
    assert [three.index(message) for message, _ in pairs] == [1]
