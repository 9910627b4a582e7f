"""Messages of both of Flower's APIs."""

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from fedleak.audit.messages import arrays, reported, round_of, texts
from fedleak.federation.loopback import LoopbackGrid


@pytest.fixture
def made():
    grid = LoopbackGrid(lambda *_: None, 1, {}, lambda *_: None)

    def message(content: RecordDict, group: str = "") -> Message:
        return grid.create_message(content, "train", 1, group)

    return message


def test_a_round_is_told_by_the_config_or_the_group_or_not_at_all(made) -> None:
    assert round_of(made(RecordDict({"config": ConfigRecord({"server-round": 3})}), "7")) == 3
    assert round_of(made(RecordDict({"fitins.config": ConfigRecord({"lr": 0.1})}), "7")) == 7
    assert round_of(made(RecordDict({"config": ConfigRecord({"lr": 0.1})}))) is None


def test_arrays_are_copies_without_the_older_placeholder() -> None:
    record = ArrayRecord({"0": Array(np.ones((2, 2), dtype=np.float32)), "_empty": Array(np.zeros(1))})
    found = arrays(RecordDict({"fitins.parameters": record}))
    assert list(found) == ["0"]
    assert torch.equal(found["0"], torch.ones(2, 2))
    assert arrays(RecordDict()) == {}


def test_all_numbers_in_clear_are_told() -> None:
    content = RecordDict(
        {"a": MetricRecord({"loss": 1.5, "num-examples": 3}), "b": ConfigRecord({"loss": 2.5, "name": "x", "on": True})}
    )
    assert reported(content) == {"loss": 1.5, "num-examples": 3.0, "b.loss": 2.5}
    assert texts(content) == {"name": "'x'"}
    assert texts(RecordDict({"b": ConfigRecord({"mask": b"1234"})})) == {"mask": "4 bytes"}


def test_lists_in_clear_are_told_by_their_length() -> None:
    content = RecordDict({"a": MetricRecord({"pixels": [0.5] * 500}), "b": ConfigRecord({"pixels": ["x", "y"]})})
    assert texts(content) == {"pixels": "a list of 500", "b.pixels": "a list of 2"}
    assert reported(content) == {}
