"""Reading a run: what holds no figures of attacks is said to have none, and why."""

import pytest

from fedleak.errors import RecordingError
from fedleak.runs.reading import read_run


def test_a_run_without_attacks_is_not_told_to_run_again(tmp_path):
    (tmp_path / "experiment.toml").write_text('name = "trained"\ntask = "digits-mlp"\n')
    (tmp_path / "results.jsonl").touch()
    with pytest.raises(RecordingError, match="is an empty run: its experiment has no attacks"):
        read_run(tmp_path)
