"""Rows survive their file; what has no figure is null with a reason."""

import json
import math
import re
from dataclasses import replace

import pytest

from fedleak.contracts.metric import metrics
from fedleak.contracts.score import Score
from fedleak.errors import RecordingError
from fedleak.results.row import Place, Row, read_results, write_results
from fedleak.results.schema import AGGREGATE

PLACE = Place(
    task="digits-mlp", setting={"federation.batch_size": 4, "vary": "small"}, federation="seed=7",
    algorithm="dlg", attack="dlg", defense="none", client=2, round=1, seed=7,
)  # fmt: skip
SCORE = Score(
    metric="psnr", value=30.5, best=31.0, worst=30.0, per_sample=(31.0, 30.0), prior_per_sample=(11.0, 10.0),
    baseline=11.0, no_access=9.0,
    unit="dB", higher_is_better=True,
)  # fmt: skip
KEYS = (
    "task setting federation split algorithm attack server defense client round seed metric value baseline no_access "
    "certifiable certified certificate trouble diagnosis "
    "unit higher_is_better reason applicable seconds best worst per_sample samples "
    "class_mean single_color nearest_public threshold prior_per_sample no_access_per_sample class_mean_per_sample "
    "single_color_per_sample nearest_public_per_sample"
)
EARLIER_KEYS = KEYS.partition("class_mean ")[0]


def test_a_row_survives_its_file(tmp_path):
    rows = [
        PLACE.row(SCORE, seconds=1.5, samples=2),
        replace(PLACE, client=AGGREGATE).row(SCORE, seconds=0.0, samples=8),
    ]
    assert read_results(write_results(tmp_path / "results.jsonl", rows)) == rows


def test_a_row_of_an_earlier_version_is_read_with_the_better_of_its_guesses(tmp_path):
    facts = PLACE.row(SCORE, seconds=1.5, samples=2).facts()
    known = {key: facts[key] for key in facts if key in EARLIER_KEYS.split()}
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps({**known, "blind_per_sample": [12.0, None]}))
    (row,) = read_results(path)
    assert row.prior_per_sample[0] == 12.0
    assert math.isnan(row.prior_per_sample[1])
    assert math.isnan(row.threshold)
    assert row.class_mean_per_sample == ()


def test_a_row_with_names_of_before_is_read_under_those_of_today(tmp_path):
    place = replace(PLACE, algorithm="no-access", attack="no-gradient")
    row = place.row(replace(SCORE, no_access_per_sample=(8.0, 10.0)), seconds=1.5, samples=2)
    before = {key.replace("no_access", "no_gradient"): value for key, value in row.facts().items()}
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps({**before, "algorithm": "no-gradient"}))
    assert read_results(path) == [row]  # the label, by which its files are found, is left alone


def test_a_row_has_the_documented_keys():
    assert set(PLACE.row(SCORE, seconds=1.0, samples=2).facts()) == set(KEYS.split())


def test_queries_are_told_where_a_service_was_asked_and_left_out_elsewhere(tmp_path):
    silent = PLACE.row(SCORE, seconds=1.5, samples=2)
    asking = replace(silent, queries=1000, refused=3)
    assert not {"queries", "refused"} & set(silent.facts())
    assert (asking.facts()["queries"], asking.facts()["refused"]) == (1000, 3)
    assert read_results(write_results(tmp_path / "results.jsonl", [silent, asking])) == [silent, asking]


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


SENDERS = "expected a valid integer or 'aggregate', 'model', 'active' or 'relay'"


@pytest.mark.parametrize("content", ["{", '{"attack": "dlg"}', "[]"])
def test_a_damaged_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(RecordingError, match="is damaged"):
        read_results(path)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(RecordingError, match="is it a run folder"):
        read_results(tmp_path / "results.jsonl")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"value": "30.5"}, "value: expected a valid number, got '30.5'"),
        ({"certified": 1}, "certified: expected a valid boolean, got 1"),
        ({"round": True}, "round: expected a valid integer, got True"),
        ({"seed": 2**63}, "seed: expected less than 9223372036854775808, got 9223372036854775808"),
        (
            {"client": "somebody"},
            "client: expected a valid integer or 'aggregate', 'model', 'active' or 'relay', got 'somebody'",
        ),
        ({"client": None}, "client: expected a valid integer or 'aggregate', 'model', 'active' or 'relay', got None"),
        ({"split": "train"}, "split: expected 'test', 'tuning' or 'calibration', got 'train'"),
        ({"federation": "../.."}, "federation: expected the plain name of a folder"),
        ({"federation": ".."}, "federation: expected the plain name of a folder"),
        ({"federation": "a\0b"}, "federation: expected the plain name of a folder"),
        ({"defense": "/etc"}, "defense: expected the plain name of a folder"),
        (
            {"setting": {"a": [1]}},
            "setting.a: expected a valid boolean or a valid integer or a valid number or a valid string, got [1]",
        ),
        ({"per_sample": [1.0, "2"]}, "per_sample.1: expected a valid number, got '2'"),
        ({"per_sample": "ab"}, "per_sample: expected a valid tuple, got 'ab'"),
        ({"per_sample": [1.0]}, "prior_per_sample: expected 1 figures as in per_sample, got 2"),
    ],
)
def test_a_row_of_another_kind_is_refused_by_its_line(tmp_path, changed, sentence):
    good = PLACE.row(SCORE, seconds=1.5, samples=2).facts()
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(good) + "\n" + json.dumps({**good, **changed}) + "\n")
    with pytest.raises(RecordingError, match="is damaged \\(line 2: " + re.escape(sentence)) as caught:
        read_results(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["[" * 100_000, '{"setting":' * 100_000, "1" * 5_000, '"\ud800', "\x00"])
def test_a_line_that_no_reader_can_bear_is_one_sentence(tmp_path, line):
    path = tmp_path / "results.jsonl"
    path.write_text(line, errors="surrogatepass")
    with pytest.raises(RecordingError, match="is damaged") as caught:
        read_results(path)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named(tmp_path):
    facts = PLACE.row(SCORE, seconds=1.5, samples=2).facts()
    del facts["unit"]
    (tmp_path / "results.jsonl").write_text(json.dumps(facts))
    with pytest.raises(RecordingError, match="line 1: unit is missing"):
        read_results(tmp_path / "results.jsonl")
