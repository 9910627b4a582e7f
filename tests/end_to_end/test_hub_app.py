"""The app for Flower's Hub: it is built as it is, and its server reads photos out of what crosses the wire."""

import importlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch
from flwr.app import ArrayRecord, RecordDict

from fedleak.api import attack
from fedleak.audit.app import read_app
from fedleak.federation.loopback import LoopbackGrid, server_context
from fedleak.federation.processes import environment, script

APP = Path(__file__).resolve().parents[2] / "apps" / "fedleak-audit"


@pytest.fixture
def curious(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(APP))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("FEDLEAK_WIRETAP", "")  # put back afterwards
    yield importlib.import_module("curious.server_app")
    for name in [name for name in sys.modules if name.partition(".")[0] == "curious"]:
        del sys.modules[name]


@pytest.mark.slow
def test_its_bundle_has_its_code_and_its_readme(tmp_path: Path) -> None:
    around = environment(tmp_path)
    (tmp_path / "built").mkdir()
    build = [script("flwr", "a test"), "build", "--app", str(APP)]
    made = subprocess.run(build, cwd=tmp_path / "built", env=around, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    (bundle,) = (tmp_path / "built").glob("*.fab")
    with zipfile.ZipFile(bundle) as content:
        names = set(content.namelist())
    assert {"pyproject.toml", "README.md"} <= names
    assert {f"curious/{name}.py" for name in ("__init__", "client_app", "look", "server_app", "task")} <= names


@pytest.mark.slow
def test_its_server_reads_the_photos(
    tmp_path: Path, curious: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few steps are enough to see photo and guess come together."""
    client, look = (importlib.import_module(f"curious.{name}") for name in ("client_app", "look"))
    monkeypatch.setattr(look, "attack", partial(attack, steps=30))
    config = {**read_app(APP).config, "out": str(tmp_path)}
    curious.app(LoopbackGrid(client.app, 2, config, lambda *_: None), server_context(config))
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if " dlg " in line]
    assert [line[0] for line in lines] == ["0", "1"]
    assert all(float(found) > float(guessing) + 2 for _, _, found, guessing, _ in lines)
    assert {path.name for path in tmp_path.glob("*.png")} == {"client-0.png", "client-1.png"}


def test_noise_is_as_large_as_was_asked(curious: ModuleType) -> None:
    client = importlib.import_module("curious.client_app").app
    sent = curious.Net().state_dict()

    def received(noise: float) -> torch.Tensor:
        config = {**read_app(APP).config, "noise": noise}
        grid = LoopbackGrid(client, 1, config, lambda *_: None)
        (reply,) = grid.send_and_receive(
            [grid.create_message(RecordDict({"arrays": ArrayRecord(sent)}), "train", 1, "")]
        )
        return torch.cat([value.flatten() for value in reply.content["arrays"].to_torch_state_dict().values()])

    assert torch.equal(received(0.0), received(0.0))
    assert float((received(0.02) - received(0.0)).std()) == pytest.approx(0.02, rel=0.05)
