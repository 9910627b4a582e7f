"""Tensors cross the wire bit for bit, or are refused."""

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import ConfigError, FederationError
from fedleak.federation import wire

DTYPES = [torch.float16, torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 2)], ids=str)
def test_every_dtype_that_numpy_has_survives(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    value = (torch.arange(6.0)[: int(np.prod(shape))].reshape(shape) - 2.5).to(dtype)
    back = wire.to_tensors(wire.to_arrays({"x": value}))["x"]
    assert back.dtype is dtype
    assert back.shape == value.shape
    assert torch.equal(back, value)


def test_views_survive_and_what_comes_back_is_a_copy() -> None:
    value = torch.arange(6.0).reshape(2, 3).T
    record = wire.to_arrays({"x": value})
    wire.to_tensors(record)["x"].zero_()
    assert torch.equal(wire.to_tensors(record)["x"], value)


def test_bfloat16_is_refused() -> None:
    with pytest.raises(ConfigError, match="'w' is bfloat16"):
        wire.to_arrays({"w": torch.zeros(2, dtype=torch.bfloat16)})


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1), st.sampled_from([np.uint64, np.uint32]))
def test_ring_elements_survive(elements: list[int], ring: type[np.unsignedinteger]) -> None:
    vector = np.array(elements, dtype=np.uint64).astype(ring)
    found = wire.answer_of(RecordDict({"arrays": wire.from_ring(vector)}))
    assert isinstance(found, np.ndarray)
    assert found.dtype == ring
    assert np.array_equal(found, vector)


def test_what_is_no_array_is_no_answer() -> None:
    broken = Array(dtype="uint64", shape=(2,), stype="numpy.ndarray", data=b"no header")
    assert wire.answer_of(RecordDict({"arrays": ArrayRecord({wire.MASKED: broken})})) is None
    assert wire.answer_of(RecordDict({"arrays": wire.to_arrays({"x": torch.zeros(1)})})) is None
    assert wire.answer_of(RecordDict()) is None


def test_a_message_without_round_or_arrays_is_one_sentence() -> None:
    for content in (RecordDict(), RecordDict({"config": ConfigRecord({"server-round": "one"})})):
        with pytest.raises(FederationError, match="server-round"):
            wire.round_of(content)
    with pytest.raises(FederationError, match="a record of arrays, got none"):
        wire.arrays_of(RecordDict())
