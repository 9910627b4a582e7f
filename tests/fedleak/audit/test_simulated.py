"""Simulated parties: what Flower loads in the place of an app calls that app, and tells all of it by mail."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedleak.audit import parties, simulated
from fedleak.audit.app import read_app
from fedleak.audit.mail import Mail
from fedleak.audit.settings import AuditSettings, written
from fedleak.federation.loopback import LoopbackGrid, server_context

APP = Path(__file__).resolve().parents[2] / "apps" / "batchnorm"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditSettings]:
    """The audit of an app whose modules, and what is remembered of it, are forgotten afterwards."""
    found, known = read_app(APP), set(sys.modules)
    settings = AuditSettings(
        folder=found.folder, name=found.name, server=found.server, client=found.client, config=found.config,
        node_config={}, out=tmp_path, private=tmp_path / "mail",
    )  # fmt: skip
    settings.private.mkdir()
    monkeypatch.setenv(simulated.SETTINGS, str(written(settings, tmp_path / "settings.json")))

    def hold(_: parties.Rounds) -> None:
        raise TimeoutError

    monkeypatch.setattr(parties.Rounds, "hold", hold)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield settings
    for name in set(sys.modules) - known:
        if str(APP) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    simulated._told.cache_clear()
    simulated._watched.cache_clear()


def federate(settings: AuditSettings) -> None:
    """The two parties by hand, until the server goes no further."""
    grid = LoopbackGrid(simulated.client, settings.clients, settings.config, lambda *_: None)
    simulated.server(grid, server_context(settings.config))


def test_the_app_trains_as_it_is_and_ends_with_the_audited_round(settings: AuditSettings) -> None:
    federate(settings)
    mail = Mail(settings.private)
    told = list(mail.events())
    assert {given for name, given in told if name == "asked"} == {(1,), (2,)}
    assert ("says", ("round 1: client 1 trains",)) in told
    assert next(given for name, given in told if name == "ended") == ("",)
    updates = [given for _, given in mail.updates()]
    assert [(update.client, update.round) for update, _ in updates] == [(0, 1), (1, 1)]
    assert [(known.verdict, known.replay_apart) for _, known in updates] == [("understood", 0.0)] * 2


def test_errors_in_the_place_of_replies_are_told(settings: AuditSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise RuntimeError("the actor died")

    monkeypatch.setattr(simulated.SimulatedClient, "__call__", dies)
    federate(settings)
    told = list(Mail(settings.private).events())
    assert [given for name, given in told if name == "lost"] == [("RuntimeError: the actor died",)] * 2
    assert not [name for name, _ in told if name == "asked"]
