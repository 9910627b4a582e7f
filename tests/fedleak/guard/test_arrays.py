"""Arrays leave as they came: names, order, shapes, types, and not a byte beside their values."""

from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from fedleak.guard.arrays import elements, pairs_of
from fedleak.guard.journal import Refused
from fedleak.guard.policy import Arrays

from .conftest import Weights, record_of

CAME: Weights = {
    "weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "num_batches_tracked": np.array(7, dtype=np.int64),
    "table": np.arange(4, dtype=np.int32),
}


def held(leaving: Weights, came: Weights = CAME, **rules: Any) -> list[str]:
    received, reply = RecordDict({"arrays": record_of(came)}), RecordDict({"arrays": record_of(leaving)})
    return [pair.name for pair in pairs_of(received, reply, Arrays(**rules))]


def test_what_came_may_leave() -> None:
    assert held(CAME) == list(CAME)


@pytest.mark.parametrize(
    ("leaving", "sentence"),
    [
        ({**CAME, "more": CAME["weight"]}, r"1 of its arrays have names that none has of the 3 that came"),
        ({"weight": CAME["weight"]}, r"2 of the 3 arrays that came are missing \(arrays: names"),
        (dict(reversed(CAME.items())), r"its arrays stand in another order than those that came \(arrays: names"),
        ({**CAME, "weight": CAME["weight"].T}, r"'weight' has another shape than the \(2, 3\) that came"),
        ({**CAME, "weight": CAME["weight"].astype(np.float16)}, r"'weight' is no float32 as it came \(arrays: types"),
        ({**CAME, "weight": CAME["weight"].astype(">f4")}, r"'weight' is no float32 as it came \(arrays: types"),
        ({**CAME, "table": CAME["table"] + 1}, r"'table' holds whole numbers, and not those that came"),
        ({**CAME, "num_batches_tracked": np.array(6)}, r"counts no steps between none and 100000"),
        ({**CAME, "num_batches_tracked": np.array(8.5)}, r"counts no steps between none and 100000"),
        ({**CAME, "num_batches_tracked": np.array(np.nan)}, r"counts no steps between none and 100000"),
        ({**CAME, "num_batches_tracked": np.array(10**6)}, r"counts no steps between none and 100000"),
        ({**CAME, "weight": CAME["weight"].astype("U8")}, r"'weight' holds no plain numbers \(arrays: bytes"),
        ({**CAME, "weight": CAME["weight"].astype(complex)}, r"'weight' holds no plain numbers \(arrays: bytes"),
    ],
)  # fmt: skip
def test_what_is_another_may_not(leaving: Weights, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        held(leaving)


def test_a_foreign_record_is_refused() -> None:
    received = RecordDict({"arrays": record_of(CAME)})
    reply = RecordDict({"arrays": record_of(CAME), "memory": record_of(CAME)})
    with pytest.raises(Refused, match="1 of its records of arrays answer none that came"):
        pairs_of(received, reply, Arrays())


def test_where_nothing_came_nothing_leaves() -> None:
    with pytest.raises(Refused, match="1 of its records of arrays answer none that came"):
        pairs_of(RecordDict(), RecordDict({"getparametersres.parameters": record_of(CAME)}), Arrays())


def test_what_may_be_missing_may() -> None:
    leaving = {name: one for name, one in CAME.items() if name != "table"}
    assert held(leaving, missing=("tab*",)) == list(leaving)


@pytest.mark.parametrize("averaged", [7.5, 8.0])
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_a_counter_may_be_a_mean_that_is_counted_on(averaged: float, dtype: type) -> None:
    """A server averages counters to fractions; clients cut these off and count on."""
    came = {**CAME, "num_batches_tracked": np.array(averaged)}
    assert held({**CAME, "num_batches_tracked": np.array(int(averaged) + 3, dtype=dtype)}, came)


@given(arrays_of.arrays(st.sampled_from(["<f4", "<f8", "<i8", "<f2"]), arrays_of.array_shapes(min_dims=0, min_side=0)))
def test_every_array_is_read_as_flower_reads_it(array: np.ndarray[Any, Any]) -> None:
    for one in (array, array.T, np.asfortranarray(array)):
        sent = Array(np.asarray(one))
        read = elements(sent, "any")
        assert read.dtype == one.dtype
        np.testing.assert_array_equal(read, sent.numpy())


@pytest.mark.parametrize(
    "change", ["behind", "short", "padding", "version", "magic", "stype", "shape", "dtype", "empty"]
)
def test_no_byte_is_beside_the_values(change: str) -> None:
    plain = Array(CAME["weight"])
    data, end = plain.data, len(plain.data) - CAME["weight"].nbytes
    spoilt = {
        "behind": data + b"x",
        "short": data[:-1],
        "padding": data[: end - 5] + b"\t" + data[end - 4 :],
        "version": data[:6] + b"\x02\x00" + data[8:],
        "magic": b"x" + data[1:],
        "empty": b"",
    }
    facts = {"dtype": "float32", "shape": (2, 3), "stype": "numpy.ndarray", "data": spoilt.get(change, data)}
    facts |= {"stype": {"stype": "example"}, "shape": {"shape": (3, 2)}, "dtype": {"dtype": "pixels"}}.get(change, {})
    received = RecordDict({"arrays": ArrayRecord({"weight": plain})})
    reply = RecordDict({"arrays": ArrayRecord({"weight": Array(**facts)})})  # type: ignore[arg-type]
    with pytest.raises(Refused, match=r"\(arrays: bytes\)"):
        pairs_of(received, reply, Arrays())
