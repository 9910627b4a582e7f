"""Stage: a server that is busy is not one that waits, and where nobody trained it is said why."""

from pathlib import Path
from typing import Any

import pytest
from flwr.clientapp import ClientApp

from fedleak.audit import stage as module
from fedleak.audit.loopback import AuditGrid
from fedleak.audit.settings import AuditSettings
from fedleak.audit.stage import Stage


@pytest.fixture
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def stage(tmp_path: Path, heard: list[dict[str, Any]]) -> Stage:
    settings = AuditSettings(
        folder=tmp_path, name="x", server="a:b", client="c:d", config={}, node_config={}, idle=0.0, out=tmp_path
    )
    return Stage(settings, heard.append)


class Ended(BaseException):
    pass


@pytest.mark.parametrize("polls", [False, True])
def test_a_server_that_is_busy_is_not_one_that_waits(
    stage: Stage, heard: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, polls: bool
) -> None:
    grid, looks = AuditGrid(stage, ClientApp()), iter(range(4))

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
    for _ in range(2):
        stage.other("query")
    assert stage._nobody() == "nobody was asked to train; messages of other types were: 2 of 'query'"
    stage.asked(1)
    assert stage._nobody() == "clients were asked to train, and none answered"
    stage.lost("its node died")
    assert stage._nobody() == "clients were asked to train, and none answered; the server got: its node died"
    stage.others[module.STAGE] = 20
    assert "no network trained in 20 messages of secure aggregation" in stage._nobody()
    stage.failed("client 1 in round 1: ValueError: no")
    assert (
        stage._nobody() == "all clients that were asked to train failed; the first: client 1 in round 1: ValueError: no"
    )
