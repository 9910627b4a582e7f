"""Metrics and config entries leave by name, kind and bounds; a copy holds nothing that a record does not say."""

from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from fedleak.guard.journal import Refused
from fedleak.guard.policy import Policy
from fedleak.guard.records import bytes_of, copy_of, hold
from fedleak.settings.base import parse_settings

from .conftest import CAME_OLDER, record_of, weights

POLICY = {
    "max_bytes": 200,
    "messages": {
        "train": {
            "rounds": 1,
            "metrics": {
                "num-examples": {"min": 10, "max": 1000, "whole": True},
                "loss": {"min": 0, "max": 9, "decimals": 2},
            },
            "config": {
                "state": {"type": "str", "values": ["done", "early"]},
                "note": {"type": "bytes", "max_length": 4},
                "steps": {"type": "int", "min": 0, "max": 100},
                "ready": {"type": "bool"},
            },
        }
    },
}


def held(records: dict[str, Any], received: RecordDict | None = None) -> None:
    policy = parse_settings(Policy, POLICY)
    hold(received or RecordDict(), RecordDict(records), "train", policy)


def refusal(records: dict[str, Any], received: RecordDict | None = None) -> str:
    with pytest.raises(Refused) as caught:
        held(records, received)
    return str(caught.value).removeprefix("the guard of this site refuses: ")


def metrics(**values: Any) -> dict[str, Any]:
    return {"metrics": MetricRecord({"num-examples" if key == "n" else key: one for key, one in values.items()})}


def test_what_is_allowed_passes() -> None:
    held({})
    held(metrics(n=10, loss=0.25))
    held({"config": ConfigRecord({"state": "done", "note": b"1234", "steps": 100, "ready": True})})


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        (metrics(n=9), "the metric 'num-examples' is not within 10 and 1e+03 (messages.train.metrics)"),
        (metrics(n=10.5), "the metric 'num-examples' is no whole number (messages.train.metrics)"),
        (metrics(n=[10]), "the metric 'num-examples' is no single number (messages.train.metrics)"),
        (metrics(loss=0.123), "the metric 'loss' has more than 2 decimals (messages.train.metrics)"),
        (metrics(loss=float("nan")), "the metric 'loss' is not within 0 and 9 (messages.train.metrics)"),
        (metrics(loss=float("inf")), "the metric 'loss' is not within 0 and 9 (messages.train.metrics)"),
        (metrics(own=1), "it has a metric of a name that is not allowed (messages.train.metrics)"),
        ({"mine": MetricRecord()}, "it has a record of a name that is not allowed (messages.train.records)"),
        ({"mine": ConfigRecord()}, "it has a record of a name that is not allowed (messages.train.records)"),
        ({"arrays": ArrayRecord()}, "it has arrays, which no answer to train may have (messages.train.arrays)"),
        (
            {"config": ConfigRecord({"own": 1})},
            "it has a config entry of a name that is not allowed (messages.train.config)",
        ),
        ({"config": ConfigRecord({"state": 1})}, "the config entry 'state' is no str (messages.train.config)"),
        ({"config": ConfigRecord({"steps": True})}, "the config entry 'steps' is no int (messages.train.config)"),
        ({"config": ConfigRecord({"steps": [1]})}, "the config entry 'steps' is no int (messages.train.config)"),
        (
            {"config": ConfigRecord({"steps": 101})},
            "the config entry 'steps' is not within 0 and 100 (messages.train.config)",
        ),
        (
            {"config": ConfigRecord({"state": "pixels"})},
            "the config entry 'state' is none of those that are allowed (messages.train.config)",
        ),
        (
            {"config": ConfigRecord({"note": b"12345"})},
            "the config entry 'note' is longer than 4 bytes (messages.train.config)",
        ),
        ({"config": ConfigRecord({"note": bytes(300)})}, "it has 310 bytes, and at most 200 may leave (max_bytes)"),
        ({"metrics": MetricRecord({"x" * 300: 1})}, "it has 315 bytes, and at most 200 may leave (max_bytes)"),
    ],
)
def test_what_is_not_is_refused(records: dict[str, Any], sentence: str) -> None:
    assert refusal(records) == sentence


def test_no_word_of_the_app_is_in_a_sentence() -> None:
    with pytest.raises(Refused) as caught:
        held({"metrics": MetricRecord({"pixels-0.25-0.5": 1})})
    assert "pixels" not in str(caught.value)
    assert "pixels" in caught.value.detail


def older(**records: Any) -> dict[str, Any]:
    return {f"fitres.{name}": record for name, record in records.items()}


def test_records_of_the_older_api_are_metrics_too() -> None:
    status = ConfigRecord({"code": 0, "message": "Success"})
    counts, figures = MetricRecord({"num_examples": 10}), ConfigRecord({"loss": 0.5})
    held(older(num_examples=counts, metrics=figures, status=status), CAME_OLDER)
    assert "is no single number" in refusal(older(metrics=ConfigRecord({"loss": "pixels"})), CAME_OLDER)
    assert "is no single number" in refusal(older(metrics=ConfigRecord({"loss": True})), CAME_OLDER)
    assert "is not within 10" in refusal(older(num_examples=MetricRecord({"num_examples": 1})), CAME_OLDER)
    for words in ({"code": 0, "message": "pixels"}, {"code": 77, "message": ""}, {"code": 0, "pixel": 1}):
        assert refusal(older(status=ConfigRecord(words)), CAME_OLDER) == "its status has words of its own (records)"
    assert "a record of a name that is not allowed" in refusal(older(metrics=figures))


def test_a_needed_metric_is_missed() -> None:
    tree = {"messages": {"train": {"rounds": 1, "metrics": {"num-examples": {"min": 1, "max": 2, "required": True}}}}}
    with pytest.raises(Refused, match="the metric 'num-examples' is needed, and missing"):
        hold(RecordDict(), RecordDict(metrics()), "train", parse_settings(Policy, tree))


def test_a_copy_has_no_memory_of_what_it_was_copied_from() -> None:
    """Flower keeps what it sends of an array beside the array, where an app could put something else."""
    record = record_of(weights())
    array: Array = record["hidden.bias"]
    array.__dict__["_chunks"] = ["examples"]
    copy = copy_of(RecordDict({"arrays": record})).array_records["arrays"]["hidden.bias"]
    assert "_chunks" not in copy.__dict__
    assert copy.data == array.data
    assert copy.slice_array() != ["examples"]


class Text(str):
    """A text that could say one thing now and another later."""


class Odd(Text):
    """One that says nothing plain of itself."""

    def __str__(self) -> str:
        return self


def test_a_copy_is_of_plain_values_alone() -> None:
    content = RecordDict({Text("metrics"): MetricRecord({Text("loss"): np.float64(0.5)})})
    name, record = next(iter(copy_of(content).items()))
    assert [type(one) for one in (name, *record, *record.values())] == [str, str, float]
    with pytest.raises(Refused, match="it has a name that is no text"):
        copy_of(RecordDict({Odd("metrics"): MetricRecord()}))
    with pytest.raises(Refused, match="it has a value of a kind that Flower does not have"):
        copy_of(RecordDict({"config": ConfigRecord({"note": Odd("pixels")})}))


def test_properties_of_the_older_api_are_config_entries() -> None:
    asked = RecordDict({"getpropertiesins.config": ConfigRecord()})
    status = {"getpropertiesres.status": ConfigRecord({"code": 0, "message": "Success"})}
    held({"getpropertiesres.properties": ConfigRecord({"steps": 5}), **status}, asked)
    assert refusal({"getpropertiesres.properties": ConfigRecord({"own": 5}), **status}, asked) == (
        "it has a config entry of a name that is not allowed (messages.train.config)"
    )


def test_bytes_are_of_all_names_and_values() -> None:
    content = {"ab": MetricRecord({"c": [1, 2]}), "d": ConfigRecord({"e": "fg", "h": b"ij", "k": True})}
    assert bytes_of(RecordDict(content)) == 2 + 1 + 16 + 1 + (1 + 2) + (1 + 2) + (1 + 8)
