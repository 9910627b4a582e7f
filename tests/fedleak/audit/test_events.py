"""Events: the audit's own work gives signs of life."""

import time

import pytest

from fedleak.audit import events as module


def test_work_of_the_audit_s_own_gives_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGN_SECONDS", 0.01)
    heard: list[None] = []
    with module.working(lambda: heard.append(None)):
        while len(heard) < 3:
            time.sleep(0.01)
    told = len(heard)
    time.sleep(0.05)
    assert len(heard) <= told + 1, "not for longer than it takes"
