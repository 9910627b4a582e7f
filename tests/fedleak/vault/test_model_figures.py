"""Figures that clients' checks measured survive their files."""

from pathlib import Path

import pytest

from fedleak.errors import RecordingError
from fedleak.vault.model_figures import ModelFigures, deposit_figures, measured_figures

ONE = ModelFigures(client=3, round=2, defense="weight-watch", statistics={"change": 0.25}, seconds=0.5)


def test_what_was_measured_comes_back_by_round_and_client(tmp_path: Path) -> None:
    first = ModelFigures(client=0, round=1, defense="d-snr", statistics={}, seconds=0.1)
    deposit_figures(tmp_path, [ONE])
    deposit_figures(tmp_path, [first])
    deposit_figures(tmp_path, [])
    assert measured_figures(tmp_path) == [first, ONE]


def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    deposit_figures(tmp_path, [ONE])
    (path,) = tmp_path.rglob("*.json")
    path.write_text("[{]")
    with pytest.raises(RecordingError, match="run the experiment again"):
        measured_figures(tmp_path)
