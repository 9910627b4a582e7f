"""Parties of an app: rounds are told apart, draws are the same wherever a client is called, faults are told."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fedleak.audit.parties import Rounds, WatchedClient, drawing, serve
from fedleak.audit.settings import AuditSettings
from fedleak.audit.stage import Stage
from fedleak.federation.loopback import LoopbackGrid, server_context


@pytest.fixture
def settings(tmp_path: Path) -> AuditSettings:
    given = {"site": "north", "partition-id": 9}
    return AuditSettings(
        folder=tmp_path, name="x", server="a:b", client="c:d", config={}, node_config=given, out=tmp_path
    )


@pytest.fixture
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def stage(settings: AuditSettings, heard: list[dict[str, Any]]) -> Stage:
    return Stage(settings, heard.append)


@pytest.fixture
def message() -> Callable[..., Message]:
    grid = LoopbackGrid(lambda *_: None, 2, {}, lambda *_: None)

    def made(node: int, group: str = "") -> Message:
        content = RecordDict({"arrays": ArrayRecord({"a": torch.full((3,), float(node))})})
        return grid.create_message(content, "train", node, group)

    return made


def test_a_round_that_nothing_names_begins_where_a_client_is_asked_again(
    settings: AuditSettings, stage: Stage, message: Callable[..., Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers with a loop of their own send each client arrays of its own."""

    def waits(_: Rounds) -> None:
        raise TimeoutError

    monkeypatch.setattr(Rounds, "hold", waits)
    for later in ([message(1), message(2)], [message(3, group="2")]):
        rounds = Rounds(settings, stage)
        rounds.begin([message(1)])
        rounds.begin([message(2, group="1")])
        assert not stage.over.is_set()
        with pytest.raises(TimeoutError):
            rounds.begin(later)
        assert stage.over.is_set()
        stage.over.clear()


def draws() -> list[float]:
    return [float(torch.rand(())), random.random(), float(np.random.rand())]  # noqa: NPY002


def test_what_a_client_draws_depends_on_who_it_is_and_on_nothing_before() -> None:
    def made(*words: object) -> list[float]:
        draws()
        with drawing(*words):
            return draws()

    assert made(0, 1, 1) == made(0, 1, 1)
    assert not set(made(0, 1, 1)) & set(made(0, 2, 1))


def test_what_others_draw_is_as_it_were_without_a_client() -> None:
    def drawn(between: bool) -> list[float]:
        torch.manual_seed(3)
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        if between:
            with drawing(0, 1):
                draws()
        return draws()

    assert drawn(between=True) == drawn(between=False)


def test_a_node_has_what_was_given_besides_while_it_is_called(
    settings: AuditSettings, stage: Stage, message: Callable[..., Message]
) -> None:
    seen = []
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Any) -> Message:
        seen.append((context.node_config["site"], context.node_config["partition-id"]))
        context.node_config["nowhere"]
        return message

    context = Context(1, 1, {"partition-id": 4}, RecordDict(), {})
    with pytest.raises(Exception, match="no 'nowhere'; give it with --node-config nowhere=VALUE"):
        WatchedClient(app, settings, stage)(message(1), context)
    assert seen == [("north", 4)]
    assert context.node_config == {"partition-id": 4}
    (said,) = stage.failures
    assert said.startswith("client 4 in round 1: NoSuchSettingError: the node config has no 'nowhere'")


def test_how_a_server_ended_is_told(stage: Stage) -> None:
    grid = LoopbackGrid(lambda *_: None, 1, {}, lambda *_: None)
    serve(lambda *_: 1 / 0, grid, server_context({}), stage)
    assert stage.over.is_set()
    assert stage._stopped == "the ServerApp stopped: ZeroDivisionError: division by zero"
