"""Flower's records as those who read along have them."""

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict
from flwr.common import ndarray_to_bytes
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

from fedleak.federation import wire
from fedleak.federation.secagg_plus import examples_of, folded, masked_vector, metrics_of, shares_in


def reply(*arrays: np.ndarray) -> RecordDict:
    record = ConfigRecord({Key.MASKED_PARAMETERS: [ndarray_to_bytes(array) for array in arrays]})
    return RecordDict({RECORD_KEY_CONFIGS: record})


def test_masked_arrays_are_one_vector_with_the_weight_first() -> None:
    vector = masked_vector(reply(np.array([7]), np.array([[1, 2], [3, 2**32 - 1]])))
    assert vector is not None
    assert vector.dtype == np.uint32
    assert vector.tolist() == [7, 1, 2, 3, 2**32 - 1]


@pytest.mark.parametrize(
    "content",
    [
        RecordDict({RECORD_KEY_CONFIGS: ConfigRecord({})}),
        RecordDict({RECORD_KEY_CONFIGS: ConfigRecord({Key.MASKED_PARAMETERS: [b"no array"]})}),
        reply(np.array([-1, 2])),
        reply(np.array([2**32, 2])),
        reply(np.array([0.5, 2.0])),
    ],
    ids=["nothing", "no array", "below", "above", "floats"],
)
def test_what_is_no_masked_vector_is_none(content: RecordDict) -> None:
    assert masked_vector(content) is None


def test_what_is_not_in_the_clear_is_not_made_up() -> None:
    assert examples_of(RecordDict()) is None
    assert metrics_of(RecordDict()) == {}
    assert shares_in(reply(np.array([1, 2]))) == []


def test_a_secret_is_folded_as_flower_folds_it() -> None:
    secret = bytes(range(1, 33))
    drawn = np.random.RandomState(folded(secret)).randint(0, 2**32 - 1, 5, dtype=np.int64)
    assert np.array_equal(pseudo_rand_gen(secret, 2**32, [(5,)])[0], drawn)


def test_messages_with_nothing_in_a_list_or_a_text_have_a_size() -> None:
    content = RecordDict({"one": ConfigRecord({"empty": [], "text": "", "bytes": b"", "number": 1})})
    assert wire.bytes_of(content) == wire.bytes_of(RecordDict({"one": ConfigRecord({"number": 1})}))
