import math
from dataclasses import fields

import pytest

from fedleak.errors import RecordingError
from fedleak.results.dp_row import DPRow, read_dp_rows, write_dp_rows


def row(**changes):
    texts = {"task": "digits-mlp", "defense": "chain", "view": "message", "terms": "", "declared_of": "round"}
    texts |= {"verdict": "holds", "cause": "", "sentence": "holds"}
    whole = {"rounds": 2, "canaries": 10, "releases": 20, "seed": 0}
    figures = {one.name: 1.5 for one in fields(DPRow)} | {"declared": math.nan, "setting": {"federation.rounds": 2}}
    return DPRow(**{**figures, **texts, **whole, **changes})


def test_rows_come_back_as_they_were(tmp_path):
    path = write_dp_rows(tmp_path / "dp-audit.jsonl", [row(), row(defense="other")])
    first, second = read_dp_rows(path)
    assert first.facts() == row().facts()
    assert (second.defense, math.isnan(second.declared)) == ("other", True)


def test_what_is_not_finite_is_null(tmp_path):
    path = write_dp_rows(tmp_path / "dp-audit.jsonl", [row(measured=math.inf)])
    assert '"measured": null' in path.read_text()


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "dp-audit.jsonl"
    path.write_text('{"task": 3}\n')
    with pytest.raises(RecordingError):
        read_dp_rows(path)
