"""Tensors cross the wire bit for bit, or are refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.errors import ConfigError
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


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_ring_elements_survive(elements: list[int]) -> None:
    vector = np.array(elements, dtype=np.uint64)
    assert np.array_equal(wire.to_ring(wire.from_ring(vector)), vector)
