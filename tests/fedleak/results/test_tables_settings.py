"""Settings become columns of one type each, with names that do not collide."""

import pyarrow as pa
import pytest

from fedleak.results.tables import scalars, setting_names


@pytest.mark.parametrize(
    ("values", "kind", "held"),
    [
        ([1, None, 3], pa.int64(), [1, None, 3]),
        ([True, False, None], pa.bool_(), [True, False, None]),
        ([0.5, 1, None], pa.float64(), [0.5, 1.0, None]),
        (["a", None], pa.string(), ["a", None]),
        ([1, "a", None, 0.5, True], pa.string(), ["1", "a", None, "0.5", "true"]),
        ([True, 1], pa.string(), ["true", "1"]),
        ([2**63], pa.string(), ["9223372036854775808"]),
        ([2**63 - 1, -(2**63) + 1], pa.int64(), [2**63 - 1, -(2**63) + 1]),
        ([2**53 + 1, 0.5], pa.string(), ["9007199254740993", "0.5"]),
        ([float("inf"), 1.0], pa.float64(), [float("inf"), 1.0]),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_every_value(values, kind, held):
    array = scalars(values)
    assert array.type == kind
    assert array.to_pylist() == held


def test_a_setting_is_called_by_its_last_part():
    assert setting_names(["federation.batch_size", "vary"], ["value"]) == {
        "federation.batch_size": "batch_size",
        "vary": "vary",
    }


def test_a_name_that_is_taken_or_comes_twice_is_written_out():
    keys = ["federation.learning_rate", "adversary.learning_rate", "defenses.Round", "value"]
    assert setting_names(keys, ["round", "value"]) == {
        "federation.learning_rate": "federation.learning_rate",
        "adversary.learning_rate": "adversary.learning_rate",
        "defenses.Round": "defenses.Round",
        "value": "setting.value",
    }
