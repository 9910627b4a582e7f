"""Stage: its own work gives signs of life, rounds are told apart, and a server that is busy is not one that waits."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import ArrayRecord, Message, RecordDict

from fedleak.audit import stage as module
from fedleak.audit.settings import AuditSettings
from fedleak.audit.stage import AuditGrid, Stage


@pytest.fixture
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def stage(tmp_path: Path, heard: list[dict[str, Any]]) -> Stage:
    settings = AuditSettings(
        folder=tmp_path, name="x", server="a:b", client="c:d", config={}, node_config={}, idle=0.0, out=tmp_path
    )
    return Stage(settings, heard.append)


def test_work_of_the_audit_s_own_gives_signs(
    stage: Stage, heard: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SIGN_SECONDS", 0.01)
    with stage.working():
        while len(heard) < 3:
            time.sleep(0.01)
    assert {one["event"] for one in heard} == {"beat"}


def test_a_round_that_nothing_names_begins_where_a_client_is_asked_again(stage: Stage) -> None:
    """Servers with a loop of their own send each client arrays of its own."""
    AuditGrid(stage)  # messages are made in a run

    def message(node: int, group: str = "") -> Message:
        content = RecordDict({"arrays": ArrayRecord({"a": torch.full((3,), float(node))})})
        return Message(content, dst_node_id=node, message_type="train", group_id=group)

    assert [stage.round_of(message(node)) for node in (1, 2)] == [1, 1]
    stage.begins([message(1), message(2)])  # goes on
    stage.asked.update([1, 2])
    assert [stage.round_of(message(node)) for node in (1, 2, 3)] == [2, 2, 1]
    assert stage.round_of(message(1, group="7")) == 7


class Ended(BaseException):
    pass


@pytest.mark.parametrize("polls", [False, True])
def test_a_server_that_is_busy_is_not_one_that_waits(
    stage: Stage, heard: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, polls: bool
) -> None:
    grid, looks = AuditGrid(stage), iter(range(4))

    def sleep(_: float) -> None:
        if next(looks, None) is None:
            raise Ended
        if polls:
            assert list(grid.get_node_ids()) == [1, 2]

    def ends(_: int) -> None:
        raise Ended

    monkeypatch.setattr(module.time, "sleep", sleep)
    monkeypatch.setattr(module.os, "_exit", ends)
    with pytest.raises(Ended):
        stage._mind()
    assert [one["event"] for one in heard] == (["failure"] if polls else [])


def test_where_nobody_trained_it_is_said_what_was_asked(stage: Stage) -> None:
    assert stage._nobody() == "nobody was asked to train"
    stage.other["query"] = 2
    assert stage._nobody() == "nobody was asked to train; messages of other types were: 2 of 'query'"
    stage.asked, stage.other[module.STAGE] = 20, 20
    assert "no network trained in 20 messages of secure aggregation" in stage._nobody()
    stage.failures.append("client 1 in round 1: ValueError: no")
    assert (
        stage._nobody() == "all clients that were asked to train failed; the first: client 1 in round 1: ValueError: no"
    )
