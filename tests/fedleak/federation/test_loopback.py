"""Loopback grid: with a Flower that it does not know it says so, and clients of several threads take turns."""

import importlib.util
import sys
import threading
from types import ModuleType

import pytest
from flwr.app import Message, RecordDict

from fedleak.errors import ConfigError
from fedleak.federation import loopback
from fedleak.federation.loopback import LoopbackGrid


def afresh() -> ModuleType:
    """The module, imported once more beside itself."""
    assert loopback.__file__ is not None
    spec = importlib.util.spec_from_file_location("loopback_afresh", loopback.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_flower_that_is_not_known_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert afresh().LoopbackGrid is not LoopbackGrid
    monkeypatch.setitem(sys.modules, "flwr.supercore.task_identity", None)
    with pytest.raises(ConfigError, match=r"expected Flower 1\.38 to 1\.42, got \d+\.\d+.*; install one that is known"):
        afresh()


def test_clients_take_turns_whatever_threads_a_server_has() -> None:
    inside, most = 0, 0

    def app(message: Message, _: object) -> Message:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.01)
        inside -= 1
        return Message(RecordDict(), reply_to=message)

    grid = LoopbackGrid(app, 4, {}, lambda *_: None)
    sent = [grid.create_message(RecordDict(), "train", node, "") for node in grid.get_node_ids()]
    threads = [threading.Thread(target=grid.send_and_receive, args=([one],)) for one in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
