"""Troubles: a setting that a node does not have, and data from the network, with what to do."""

import pytest

from fedleak.audit.troubles import NodeConfig, reason


def test_a_node_config_says_how_to_give_what_it_has_not() -> None:
    config = NodeConfig({"partition-id": 3})
    assert config["partition-id"] == 3
    with pytest.raises(KeyError) as caught:
        config["dataset-path"]
    assert reason(caught.value).endswith(
        "the node config has no 'dataset-path'; give it with --node-config dataset-path=VALUE"
    )


def test_the_cause_of_an_error_is_what_is_told() -> None:
    outer = RuntimeError("Exception ClientAppException occurred")
    outer.__cause__ = FileNotFoundError(2, "no such file")
    assert reason(outer).startswith("FileNotFoundError: [Errno 2] no such file")


def test_what_asks_for_the_network_is_told_so() -> None:
    class TimedOutError(Exception):
        pass

    TimedOutError.__module__ = "httpx"
    assert "asks for the network" in reason(TimedOutError("timed out"))
