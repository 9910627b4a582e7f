"""Task of a recording: of an app that its run keeps found where the run lies, whoever moved it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fedleak.errors import RecordingError
from fedleak.recording.task_table import home_of, read_task, task_table
from fedleak.settings.bundle import kept_in
from fedleak.settings.task import TaskSettings


def test_a_kept_app_is_found_beside_the_recording(audited: Callable[[Path, int], Path], tmp_path: Path) -> None:
    task = TaskSettings.model_validate(f"app:{audited(tmp_path / 'audit', 4)}")
    assert task.bundle is not None
    run = tmp_path / "run"
    kept = kept_in(run, task.bundle)
    shutil.copytree(tmp_path / "audit" / "task", kept)
    recording = run / "recordings" / "seed=1" / "none" / "round-0001" / "client-0000"
    there = task.model_copy(update={"folder": str(kept)})
    written = task_table(there, recording)
    assert "folder" not in written
    assert task_table(task, recording)["folder"] == task.folder  # somebody else's is not left out
    recording.parent.mkdir(parents=True)
    recording.with_suffix(".json").write_text(json.dumps({"task": written}))
    assert read_task(written, recording) == there
    assert home_of(recording) == str(kept)
    moved = run.rename(tmp_path / "moved")
    recording = moved / recording.relative_to(run)
    assert home_of(recording) == str(kept_in(moved, task.bundle))
    shutil.rmtree(moved / "apps")
    with pytest.raises(RecordingError, match=r"expected the audited app .* in apps/ of its run"):
        read_task(written, recording)
    assert home_of(recording) is None


def test_other_tasks_are_as_they_were(tmp_path: Path) -> None:
    for task in ("digits-mlp", {"data": "digits", "network": "mlp"}):
        settings = TaskSettings.model_validate(task)
        written = task_table(settings, tmp_path)
        assert written == settings.model_dump(mode="json", exclude_none=True)
        assert read_task(written, tmp_path) == settings
