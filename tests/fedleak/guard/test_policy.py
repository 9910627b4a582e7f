"""A policy is a file of the site, whole and right, or nothing leaves."""

import subprocess
import sys
from pathlib import Path

import pytest

from fedleak.errors import ConfigError
from fedleak.guard.policy import (
    POLICY,
    Arrays,
    Entry,
    Examples,
    Figure,
    Policy,
    Replies,
    Required,
    load_policy,
    site_policy,
)

from .conftest import EXAMPLE, GUIDE, WITH_MOD, Site, question, visitor

HIDDEN = "the guard of this site refuses: its policy cannot be kept, as its journal and log say (policy)"
MISTAKES = {
    "max_norms": (
        EXAMPLE.replace("max_norm", "max_norms"),
        "arrays.max_norms: unknown field; did you mean 'max_norm'?",
    ),
    "rounds": (EXAMPLE.replace("rounds = 100", ""), "messages.train.rounds: missing, and needed"),
    "type": (
        EXAMPLE.replace("messages.train]", "messages.trian]").replace("messages.train.", "messages.trian."),
        "trian",
    ),
    "text": (EXAMPLE.replace("max_norm = 2.0", 'max_norm = "2"'), "arrays.max_norm: expected a valid number, got '2'"),
    "negative": (EXAMPLE.replace("max_norm = 2.0", "max_norm = -1.0"), "arrays.max_norm: expected greater than 0"),
    "not a number": (EXAMPLE.replace("max_norm = 2.0", "max_norm = nan"), "arrays.max_norm: expected a finite number"),
    "bound": (
        WITH_MOD.replace("epsilon_max", "epsilon_maxi"),
        "keys that end in _min or _max, with numbers, got 'epsilon_maxi'",
    ),
    "endless text": (
        EXAMPLE + '[messages.train.config]\nnote = { type = "str" }\n',
        "values, or min and max of a number, or max_length of a text",
    ),
    "app": ('app = "client_app"\n' + EXAMPLE, "app: expected MODULE:NAME, got 'client_app'"),
    "TOML": ("messages = [", "is no TOML"),
    "empty": ("", "messages: missing, and needed"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_lets_nothing_out(
    site: Site, mistake: str, caplog: pytest.LogCaptureFixture
) -> None:
    text, sentence = MISTAKES[mistake]
    path = site.policy(text)
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert site.refusal(visitor("messages"), question("messages")) == HIDDEN
    assert sentence in caplog.text


def test_no_policy_lets_nothing_out(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(POLICY)
    assert site.refusal(visitor("messages"), question("messages")) == HIDDEN
    assert "no policy: set FEDLEAK_GUARD to the path of the site's policy" in caplog.text


@pytest.mark.parametrize("name", ["gone.toml", ""])
def test_a_policy_that_cannot_be_read_lets_nothing_out(site: Site, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(POLICY, str(site.folder / name))
    assert site.refusal(visitor("messages"), question("messages")) == HIDDEN


def test_a_policy_that_everybody_may_write_is_refused(site: Site) -> None:
    path = site.policy(EXAMPLE)
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="can be written by everybody"):
        load_policy(path)


def test_a_policy_is_read_once(site: Site) -> None:
    path = site.policy(EXAMPLE)
    before = site_policy()
    path.write_text(EXAMPLE.replace("max_norm = 2.0", "max_norm = 1000.0"))
    assert site_policy() is before


def test_paths_count_from_the_policy(site: Site) -> None:
    policy = site_policy()
    assert policy.state == str(site.folder / "guard-state.json")
    assert policy.examples is not None
    assert policy.examples.source == str(site.folder / "examples.npz")


def test_the_guide_tells_every_key() -> None:
    models = (Policy, Replies, Figure, Entry, Arrays, Required, Examples)
    fields = {name for model in models for name in model.model_fields}
    assert not [name for name in sorted(fields) if f"`{name}`" not in GUIDE]


@pytest.mark.slow
def test_the_guard_needs_no_torch(site: Site) -> None:
    code = "import sys, fedleak.guard.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
