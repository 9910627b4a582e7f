"""`fedleak audit` as a command: what it prints of what was found, and the status that it ends with."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedleak.audit.verdict import Audited
from fedleak.cli.app import app
from fedleak.errors import ConfigError

FACT = {"what": "loss", "found": "cross-entropy", "how": "the function that was called", "used": "yes, from the app"}


def update(verdict: str = "understood", **more: Any) -> dict[str, Any]:
    return {
        "client": 0, "round": 1, "verdict": verdict, "reasons": [], "started_apart": 0.0, "replay_apart": 0.0,
        "noise": 0.0, "facts": [FACT], **more,
    }  # fmt: skip


def tried(rung: str, psnr: float | None, leaked: int, attack: str = "dlg", client: int = 0) -> dict[str, Any]:
    return {
        "rung": rung, "attack": attack, "client": client, "round": 1,
        "psnr": psnr, "best": psnr, "prior": 11.0, "leaked": leaked, "labels": 1.0 if psnr else None,
        "examples": 4, "reason": "" if psnr else "it does not fit", "broke": "", "seconds": 0.1,
    }  # fmt: skip


def audited(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *options: str, stopped: str = "", scope: tuple[str, ...] = (),
    updates: tuple[dict[str, Any], ...] = (update(),), attacks: tuple[dict[str, Any], ...] = (),
) -> Result:  # fmt: skip
    facts = {
        "app": "mine", "folder": "mine", "stopped": stopped, "updates": list(updates), "attacks": list(attacks),
        "not_fitting": "", "out_of_scope": list(scope),
        "no_task": "no task of it for experiments: 3 different images were seen",
    }  # fmt: skip
    monkeypatch.setattr("fedleak.cli.audit.audit_app", lambda *_, **__: Audited(facts, tmp_path))
    return CliRunner().invoke(app, ["audit", "mine", *options])


def words(result: Result) -> str:
    return " ".join(result.stdout.split())


def test_what_comes_back_fails_where_less_is_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read = (tried("as it is", None, 0, "analytic-linear"), tried("as it is", 41.0, 2))
    plain = audited(monkeypatch, tmp_path, attacks=read)
    assert plain.exit_code == 0
    assert "There is no task of it for experiments: 3 different images were seen." in words(plain)
    assert "2 of 4 come back; 41.0 dB by dlg, where guessing without the update gives 11.0" in words(plain)
    assert audited(monkeypatch, tmp_path, "--allow", "1", attacks=read).exit_code == 1
    assert audited(monkeypatch, tmp_path, "--allow", "2", attacks=read).exit_code == 0


def test_the_rung_on_which_it_comes_back_says_what_protects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read = (tried("as it is", 9.0, 0), tried("one step", 10.0, 0), tried("one image", 45.0, 1))
    assert "vanishes on the way to 'one image'" in words(audited(monkeypatch, tmp_path, "--allow", "0", attacks=read))
    noise = (tried("as it is", 9.0, 0), tried("without its mods", 45.0, 1))
    assert "is the noise of its mods" in words(audited(monkeypatch, tmp_path, attacks=noise))
    nothing = (tried("as it is", 9.0, 0), tried("one image", 9.0, 0))
    assert "no proof that none can" in words(audited(monkeypatch, tmp_path, attacks=nothing))


def test_noise_is_not_called_no_defense_where_batches_protect_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read = (tried("as it is", 9.0, 0), tried("without its mods", 9.0, 0), tried("one image", 45.0, 1))
    assert "as they are, and noise, or both." in words(audited(monkeypatch, tmp_path, attacks=read))


def test_what_comes_back_is_told_by_the_attack_that_gets_the_most_examples(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read = (tried("as it is", 20.0, 0, "inverting-gradients"), tried("as it is", 15.0, 1))
    assert "1 of 4 come back; 15.0 dB by dlg" in words(audited(monkeypatch, tmp_path, attacks=read))


def test_of_several_clients_each_has_lines_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read = (tried("as it is", 20.0, 0, client=3), tried("as it is", 15.0, 1, client=7))
    shown = words(audited(monkeypatch, tmp_path, attacks=read))
    assert "round client ladder" in shown
    assert "1 7 as it is dlg 15.0" in shown


def test_that_nothing_was_looked_at_is_not_that_nothing_leaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither for a CI job nor for a test, also where the update was understood."""
    blind = (tried("as it is", None, 0, "analytic-linear"),)
    assert audited(monkeypatch, tmp_path, attacks=blind).exit_code == 0
    assert audited(monkeypatch, tmp_path, "--allow", "0", attacks=blind).exit_code == 2
    facts: dict[str, Any] = {
        "stopped": "",
        "updates": [update()],
        "attacks": [],
        "not_fitting": "",
        "out_of_scope": ["texts"],
        "no_task": "",
    }
    found = Audited(facts, tmp_path)
    assert found.understood
    with pytest.raises(ConfigError, match=r"what leaks is not known: Recorded, and not attacked: texts\."):
        _ = found.leaked


def test_what_was_not_understood_ends_with_status_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unclear = update("not understood", reasons=["it was given a closure"], replay_apart=None)
    result = audited(monkeypatch, tmp_path, updates=(unclear,))
    assert result.exit_code == 2
    assert "Not understood: 1 update of 1; the first, of client 0 in round 1: it was given a closure." in words(result)
    scope = audited(monkeypatch, tmp_path, scope=("client 0 in round 1: the loss is out of scope",))
    assert scope.exit_code == 2
    assert "Recorded, and not attacked: client 0 in round 1: the loss is out of scope." in words(scope)


def test_masked_updates_are_said_to_be_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = audited(monkeypatch, tmp_path, updates=(update("masked", replay_apart=None),), stopped="it gave up")
    assert result.exit_code == 0
    assert "Masked: 1 update of 1." in words(result)
    assert "The app came to no end of its own: it gave up." in words(result)


def test_an_interrupted_audit_promises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fedleak.cli.audit.audit_app", interrupted)
    result = CliRunner().invoke(app, ["audit", "mine"])
    assert result.exit_code == 130
    assert "interrupted" in result.output
    assert "goes on" not in result.output
