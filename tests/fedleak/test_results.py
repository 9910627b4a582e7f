"""Rows survive their file; what has no figure is null with a reason."""

import json
import math
from dataclasses import replace

import pytest

from fedleak.errors import RecordingError
from fedleak.metric import metrics
from fedleak.results import AGGREGATE, Place, Row, read_results, write_results
from fedleak.score import Score

PLACE = Place(
    task="digits-mlp", setting={"federation.batch_size": 4, "vary": "small"}, federation="seed=7",
    algorithm="dlg", attack="dlg", defense="none", client=2, round=1, seed=7,
)  # fmt: skip
SCORE = Score(
    metric="psnr", value=30.5, best=31.0, worst=30.0, per_sample=(31.0, 30.0), blind_per_sample=(11.0, 10.0),
    baseline=11.0, no_gradient=9.0,
    unit="dB", higher_is_better=True,
)  # fmt: skip
KEYS = (
    "task setting federation split algorithm attack defense client round seed metric value baseline no_gradient "
    "certifiable certified unit higher_is_better reason applicable seconds best worst per_sample blind_per_sample "
    "samples"
)


def test_a_row_survives_its_file(tmp_path):
    rows = [
        PLACE.row(SCORE, seconds=1.5, samples=2),
        replace(PLACE, client=AGGREGATE).row(SCORE, seconds=0.0, samples=8),
    ]
    assert read_results(write_results(tmp_path / "results.jsonl", rows)) == rows


def test_a_row_has_the_documented_keys():
    assert set(PLACE.row(SCORE, seconds=1.0, samples=2).facts()) == set(KEYS.split())


def test_what_is_not_finite_is_null_with_a_reason(tmp_path):
    rows = PLACE.failed((metrics.build("psnr", {}),), "it raised")
    rows.append(PLACE.row(replace(SCORE, value=math.inf, baseline=-math.inf), seconds=1.0, samples=2))
    path = write_results(tmp_path / "results.jsonl", rows)
    first, second = (json.loads(line, parse_constant=pytest.fail) for line in path.read_text().splitlines())
    assert first["value"] is None
    assert first["reason"] == "it raised"
    assert second["value"] is None
    assert second["baseline"] is None
    assert second["reason"] == "the value is inf"


def test_a_missing_figure_comes_back_as_nan(tmp_path):
    (row,) = PLACE.failed((metrics.build("psnr", {}),), "it raised")
    (again,) = read_results(write_results(tmp_path / "results.jsonl", [row]))
    assert isinstance(again, Row)
    assert math.isnan(again.value)
    assert math.isnan(again.best)


@pytest.mark.parametrize("content", ["{", '{"attack": "dlg"}', "[]"])
def test_a_damaged_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(RecordingError, match="is damaged"):
        read_results(path)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(RecordingError, match="is it a run folder"):
        read_results(tmp_path / "results.jsonl")
