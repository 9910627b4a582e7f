"""Foreign task: written where experiments can take it, and else a sentence."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from fedleak.audit.foreign_task import address_of, write_task
from fedleak.audit.troubles import Unclear
from fedleak.data.audited import Audited
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.settings.base import parse_settings
from fedleak.settings.federation import FederationSettings
from fedleak.settings.task import TaskSettings
from fedleak.tasks import source_of

CODE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, hidden=4):
        super().__init__()
        self.layer = nn.Linear(12, hidden)

class Wide(Net):
    def __init__(self, hidden):
        super().__init__(hidden)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of an app, as its process has it."""
    (tmp_path / "app").mkdir()
    file = tmp_path / "app" / "appnet.py"
    file.write_text(CODE)
    made = ModuleType("appnet")
    made.__file__ = str(file)
    exec(CODE, made.__dict__)
    for cls in (made.Net, made.Wide):
        cls.__module__ = "appnet"
    monkeypatch.setitem(sys.modules, "appnet", made)
    return made


def images(count: int) -> Batch:
    rng = torch.Generator().manual_seed(count)
    return Batch(torch.rand(count, 3, 2, 2, generator=rng), torch.arange(count) % 3)


def facts() -> dict:
    return {"shape": [3, 2, 2], "classes": 3, "loss": "cross-entropy", "loss_options": {}, "learning_rate": 0.1}


def write(tmp_path: Path, network: nn.Module, *truths: Batch) -> str:
    return write_task(tmp_path, tmp_path / "app", "mine", network, network.state_dict(), truths, facts())


def test_what_is_written_is_a_task_with_each_image_once(tmp_path: Path, module: ModuleType) -> None:
    assert write(tmp_path, module.Net(), images(12), images(12)) == ""
    task = parse_settings(_Holder, {"task": f"app:{tmp_path}"}).task
    assert (task.network, task.data, task.classes) == ("appnet:Net", "app:images", 3)
    assert task.folder == str(tmp_path / "task")
    assert (tmp_path / "task" / "appnet.py").read_text() == CODE
    assert (tmp_path / "task" / "images.npz").stat().st_mode & 0o077 == 0
    read = Audited().read(source_of(task))
    assert read.inputs.shape == (12, 3, 2, 2)
    assert len(read.labels) == 12
    assert "auxiliary = 2" in (tmp_path / "experiment.toml").read_text()
    assert json.loads((tmp_path / "task" / "task.json").read_text())["name"] == "mine"


class _Holder(FederationSettings):
    task: TaskSettings


def test_what_cannot_be_one_is_a_sentence(tmp_path: Path, module: ModuleType) -> None:
    assert "cannot be called without arguments" in write(tmp_path, module.Wide(3), images(12))
    assert "called without arguments is another network" in write(tmp_path, module.Net(5), images(12))
    assert "3 different images were seen, and 10 are needed" in write(tmp_path, module.Net(), images(3), images(3))
    with pytest.raises(Unclear, match="is no class at the top of a module of the app"):
        address_of(nn.Linear(1, 1), {}, tmp_path / "app")
    assert not (tmp_path / "task").exists()


def test_a_folder_without_a_task_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"app:FOLDER with the folder of an audit that found a task"):
        parse_settings(_Holder, {"task": f"app:{tmp_path}"})
