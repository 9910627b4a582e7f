"""Images of an audited app: read without its code, and only where they are what was audited."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedleak.data.audited import Audited
from fedleak.data.splits import load
from fedleak.errors import ConfigError, DataError, RecordingError
from fedleak.settings.bundle import Bundle
from fedleak.settings.task import TaskSettings
from fedleak.tasks import source_of


def test_images_come_without_code(audited: Callable[[Path, int], Path], tmp_path: Path) -> None:
    source = source_of(TaskSettings.model_validate(f"app:{audited(tmp_path, 4)}"))
    read = Audited().read(source)
    assert (source.shape, source.classes, len(read)) == ((3, 2, 2), 3, 20)
    assert np.array_equal(read.inputs, np.load(tmp_path / "task" / "images.npz")["inputs"])
    assert len(load(source).clients) == 12
    assert "net" not in sys.modules
    (tmp_path / "task" / "images.npz").write_bytes(b"none")
    with pytest.raises(RecordingError, match="has changed: expected the audited app"):
        Audited().read(source)
    with pytest.raises(DataError, match=r"its images\.npz are not as an audit wrote them"):
        Audited().read(replace(source, reference=Bundle.read(tmp_path / "task").address))


def test_they_are_of_an_app_alone() -> None:
    with pytest.raises(ConfigError, match='say task = "app:FOLDER"'):
        source_of(TaskSettings(data="app:images", network="mlp", shape=(3, 2, 2), classes=3))
