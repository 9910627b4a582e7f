"""Task of a recording: its table, and the app's bundle that the run keeps beside the recordings."""

import json
from pathlib import Path
from typing import Any

from fedleak.errors import RecordingError
from fedleak.io.tensors import FACTS, beside
from fedleak.settings.base import Table
from fedleak.settings.bundle import SHOWN, kept_in
from fedleak.settings.task import TaskSettings, unplaced

ABOVE = 5
"""Folders between a recording and its run, at most."""


def task_table(settings: TaskSettings, folder: Path) -> Any:
    """The task as a recording below `folder` has it: of a bundle that its run keeps not where that lies."""
    written: Table | str = settings.model_dump(mode="json", exclude_none=True)
    if settings.bundle is None or isinstance(written, str):
        return written
    return unplaced(written) if str(_kept_by_run(folder, settings.bundle)) == settings.folder else written


def read_task(written: Any, path: Path) -> TaskSettings:
    """The task of the recording at a path; raises `RecordingError` where its app's bundle is not kept with it."""
    if not isinstance(written, dict) or "bundle" not in written or "folder" in written:
        return TaskSettings.model_validate(written, strict=False)
    address = str(written["bundle"])
    folder = _kept_by_run(path, address)
    if folder is None:
        raise RecordingError(
            f"{path}: expected the audited app {address[:SHOWN]} in apps/ of its run, which is not there; read the "
            "recording where its run lies, with all that the run keeps"
        )
    return TaskSettings.model_validate({**written, "folder": str(folder)}, strict=False)


def home_of(path: Path) -> str | None:
    """See `TaskSettings.home`, of the recording at a path or stem; None also where that cannot be read."""
    try:
        written = json.loads(beside(path.with_suffix(""), FACTS).read_bytes())["task"]
        return read_task(written, path).home
    except (OSError, ValueError, KeyError, TypeError, RecursionError, RecordingError):
        return None


def _kept_by_run(path: Path, address: str) -> Path | None:
    above = path.resolve().parents[:ABOVE]
    return next((kept_in(one, address) for one in above if kept_in(one, address).is_dir()), None)
