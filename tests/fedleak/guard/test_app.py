"""A site deploys the guard around an app that is as it came: by a name of its own, or in Flower's own command."""

import subprocess
import sys
import types
from pathlib import Path

import pytest
from flwr.app import Context, RecordDict
from flwr.clientapp import ClientApp
from flwr.supernode.runtime import run_clientapp

from fedleak.guard.app import app_of_the_site, install
from fedleak.guard.mod import Guarded

from .conftest import EXAMPLE, Site, question, visitor

VISITOR = """
import os
os.environ["FEDLEAK_GUARD"] = "policy-of-the-app.toml"
{}
from flwr.clientapp import ClientApp
app = ClientApp()

@app.train()
def train(message, context):
    raise ValueError("pixels")
"""
CONTEXT = Context(1, 2, {}, RecordDict(), {})


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("visiting_app")
    module.__dict__["app"] = visitor("messages")
    monkeypatch.setitem(sys.modules, "visiting_app", module)
    return module


def test_the_app_that_the_policy_names_is_guarded(site: Site, named: types.ModuleType) -> None:
    site.policy('app = "visiting_app:app"\n' + EXAMPLE)
    app = app_of_the_site()
    assert isinstance(app, ClientApp)
    assert app(question("messages"), CONTEXT).has_content()
    assert app(question("messages"), CONTEXT).has_error()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "the policy names no app"),
        ('app = "visiting_app:nothing"\n', "cannot import visiting_app:nothing"),
        ('app = "visiting_app:__name__"\n', "visiting_app:__name__ is no ClientApp, but of type str"),
    ],
)
def test_without_an_app_nothing_leaves(site: Site, named: types.ModuleType, line: str, sentence: str) -> None:
    site.policy(line + EXAMPLE)
    reply = app_of_the_site()(question("messages"), CONTEXT)
    assert reply.error.reason == "the guard of this site refuses: the app failed, and the site's journal says how (app)"
    assert sentence in site.journal()[-1]["detail"]


def test_without_a_policy_no_app_is_loaded(monkeypatch: pytest.MonkeyPatch, named: types.ModuleType) -> None:
    monkeypatch.delenv("FEDLEAK_GUARD", raising=False)
    assert "(policy)" in str(app_of_the_site()(question("messages"), CONTEXT).error.reason)


@pytest.mark.parametrize("line", ["", "raise RuntimeError('pixels')"])
def test_flower_s_command_guards_what_it_loads(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """Also what an app does as it is imported: it cannot put another policy in place, and its errors stay here."""
    folder = tmp_path / "visiting"
    folder.mkdir()
    name = f"visitor_{len(line)}"
    (folder / f"{name}.py").write_text(VISITOR.format(line))
    monkeypatch.setattr(run_clientapp, "get_load_client_app_fn", run_clientapp.get_load_client_app_fn)
    monkeypatch.syspath_prepend(str(folder))
    install()
    load = run_clientapp.get_load_client_app_fn(default_app_ref=f"{name}:app", app_path=str(folder), multi_app=False)
    app = load("", "", "")
    assert isinstance(app, Guarded)
    reply = app(question("messages"), CONTEXT)
    assert reply.error.reason == "the guard of this site refuses: the app failed, and the site's journal says how (app)"
    assert "pixels" in site.journal()[-1]["detail"]


@pytest.mark.slow
def test_it_takes_the_arguments_of_flower_s_command() -> None:
    run = [sys.executable, "-m", "fedleak.guard.app", "--help"]
    said = subprocess.run(run, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]).stdout
    assert "--runtime-api-address" in said
