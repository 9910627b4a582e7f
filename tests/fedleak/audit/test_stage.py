"""Stage: a server that is busy is not one that waits, and where nobody trained it is said why."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flwr.clientapp import ClientApp

from fedleak.audit import judgement
from fedleak.audit import stage as module
from fedleak.audit.loopback import AuditGrid
from fedleak.audit.seen import Training
from fedleak.audit.settings import AuditSettings
from fedleak.audit.stage import Stage
from fedleak.audit.understanding import Understanding, Update


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


@pytest.mark.parametrize(("polls", "works"), [(False, False), (True, False), (True, True)])
def test_a_server_that_is_busy_is_not_one_that_waits(
    stage: Stage, heard: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, polls: bool, works: bool
) -> None:
    """The older API looks who is there in a thread, whatever the server does meanwhile."""
    grid, looks, spent = AuditGrid(stage, ClientApp()), iter(range(4)), iter(range(9))

    def sleep(_: float) -> None:
        if next(looks, None) is None:
            raise Ended
        if polls:
            assert list(grid.get_node_ids()) == [1, 2]

    def ends(_: int) -> None:
        raise Ended

    monkeypatch.setattr(module.time, "sleep", sleep)
    monkeypatch.setattr(module.time, "process_time", lambda: float(next(spent)) if works else 0.0)
    monkeypatch.setattr(module.os, "_exit", ends)
    monkeypatch.setattr(module, "SAID_SECONDS", 1e-12)
    stage.settings = replace(stage.settings, idle=1e-12)
    with pytest.raises(Ended):
        stage._mind()
    assert [one["event"] for one in heard] == (["stage", "failure"] if polls and not works else [])


def test_what_fedleak_fails_on_is_not_understood_and_no_failure_of_a_client(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("no")

    update = Update(client=1, round=2, sent={}, received={}, reported={}, training=Training())
    monkeypatch.setattr(judgement, "facts_of", lambda update, *_: [] if update.training is not training else fails())
    training = update.training
    stage.trained(update, Understanding(verdict="understood"))
    (kept,) = stage.updates
    assert (kept["client"], kept["verdict"]) == (1, "not understood")
    assert kept["reasons"] == ["fedleak failed here: ZeroDivisionError: no"]
    assert not stage.failures


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
