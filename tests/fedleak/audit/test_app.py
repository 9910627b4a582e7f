"""Flower app as a folder: its settings, overrides as of `flwr run`, refusals in a sentence, and its digest."""

import shutil
from pathlib import Path

import pytest

from fedleak.audit.app import digest, read_app
from fedleak.errors import ConfigError

APPS = Path(__file__).resolve().parents[2] / "apps"


def test_settings_are_read_and_overridden() -> None:
    app = read_app(APPS / "messages", ["learning-rate=0.5 images=3"])
    assert (app.name, app.server, app.client) == ("messages", "photoapp.server_app:app", "photoapp.client_app:app")
    assert app.config["learning-rate"] == 0.5
    assert app.config["images"] == 3
    assert app.config["num-server-rounds"] == 3


def test_what_is_no_app_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected the folder of a Flower app, which has a pyproject\.toml"):
        read_app(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    with pytest.raises(ConfigError, match="Invalid Flower App configuration"):
        read_app(tmp_path)


def test_overrides_that_fit_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="'learning-rat' is not in the run config of messages; did you mean"):
        read_app(APPS / "messages", ["learning-rat=0.5"])
    with pytest.raises(ConfigError, match="-c: "):
        read_app(APPS / "messages", ["images=three"])


def test_a_component_that_is_not_there_is_named(tmp_path: Path) -> None:
    shutil.copytree(APPS / "batchnorm", tmp_path / "app")
    config = tmp_path / "app" / "pyproject.toml"
    text = config.read_text()
    config.write_text(text.replace("client:app", "clients:app"))
    with pytest.raises(ConfigError, match=r"clientapp is 'clients:app', and there is no module 'clients' in the app's"):
        read_app(tmp_path / "app")
    config.write_text(text.replace("client:app", "client"))
    with pytest.raises(ConfigError, match=r"MODULE:ATTRIBUTE|object reference"):
        read_app(tmp_path / "app")


def test_to_read_an_app_runs_none_of_its_code(tmp_path: Path) -> None:
    shutil.copytree(APPS / "messages", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "app" / "photoapp" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    before = digest(tmp_path / "app")
    read_app(tmp_path / "app")
    assert digest(tmp_path / "app") == before


def test_any_byte_and_any_name_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("b")
    first = digest(tmp_path)
    assert first == digest(tmp_path)
    (tmp_path / "a").write_text("c")
    second = digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, digest(tmp_path)}) == 3
