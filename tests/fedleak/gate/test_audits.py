"""Audits held to a policy, from the facts that an audit leaves: silence of any kind is no pass."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedleak.audit.verdict import RESULT, ROWS, Audited
from fedleak.cli.app import app
from fedleak.errors import ConfigError
from fedleak.gate.audits import check_audit, vocabulary_of
from fedleak.gate.policy import Policy
from fedleak.gate.validation import validate
from fedleak.results.row import write_results
from fedleak.testing.pytest_fixture import Fedleak

UPDATE = {
    "client": 0, "round": 1, "verdict": "understood", "reasons": [], "started_apart": 0.0, "replay_apart": 0.0,
    "facts": [],
}  # fmt: skip


def looked(attack: str, broke: str = "") -> dict[str, Any]:
    return {
        "rung": "as it is", "attack": attack, "client": 0, "round": 1, "psnr": 30.0, "best": 30.0, "prior": 11.0,
        "leaked": 1, "labels": 1.0, "examples": 1, "reason": "", "broke": broke, "seconds": 0.1,
    }  # fmt: skip


@pytest.fixture
def audit(tmp_path: Path, make_row):
    """The folder of an audit in which dlg got 30 dB and sapag 12."""

    def made(*, updates=(UPDATE,), scope=(), broke="", defense="none") -> Audited:
        rows = [
            make_row(30.0, task="photos", client=0, round=1, defense=defense),
            make_row(float("nan") if broke else 12.0, task="photos", client=0, round=1, defense=defense,
                     algorithm="sapag", attack="sapag", reason=broke or None),
        ]  # fmt: skip
        facts = {
            "app": "photos", "folder": "photos", "stopped": "", "updates": list(updates), "out_of_scope": list(scope),
            "attacks": [looked("dlg"), looked("sapag", broke)], "not_fitting": "", "no_task": "",
        }  # fmt: skip
        (tmp_path / RESULT).write_text(json.dumps(facts))
        write_results(tmp_path / ROWS, rows)
        (tmp_path / "client-0.png").write_bytes(b"png")
        return Audited.read(tmp_path)

    return made


def test_rules_are_kept_and_broken_by_what_attacks_got_and_the_picture_is_named(audit, make_policy) -> None:
    found = audit()
    assert check_audit(found, make_policy("psnr.max < 31", "certified == 0")).exit_status == 0
    verdict = check_audit(found, make_policy("psnr.max < 20"))
    assert verdict.exit_status == 1
    (broken,) = verdict.rules[0].broken
    assert broken.measurement.group.attack == "dlg"
    assert broken.picture is not None
    assert broken.picture.path == found.folder / "client-0.png"
    assert check_audit(found, make_policy('psnr.max < 20 where attack = "sapag"')).passed
    assert not check_audit(found, make_policy("accuracy > 0.5")).passed


def test_what_mods_do_is_the_defense(audit, make_policy) -> None:
    found = audit(defense="LocalDpMod")
    assert check_audit(found, make_policy('psnr < 20 unless defense = "LocalDpMod"')).rules[0].problem
    assert check_audit(found, make_policy('psnr < 31 where defense = "LocalDpMod"')).passed


@pytest.mark.parametrize("verdict", ["not understood", "masked", "understood but for the loss"])
def test_an_update_that_was_not_attacked_is_not_shown(audit, make_policy, verdict: str) -> None:
    other = {**UPDATE, "client": 1, "verdict": verdict, "reasons": ["why"]}
    judged = check_audit(audit(updates=(UPDATE, other)), make_policy("psnr.max < 99"))
    assert judged.exit_status == 1
    assert judged.problems == (f"1 update of 2 {verdict}, so no figure shows what it gives away: why",)


def test_neither_is_what_is_out_of_scope_nor_what_an_attack_that_broke_off_would_have_got(audit, make_policy) -> None:
    outside = check_audit(audit(scope=("client 0 in round 1: texts",)), make_policy("psnr.max < 99"))
    assert outside.problems == ("nothing was shown of client 0 in round 1: texts",)
    cut = check_audit(audit(broke="was cut off"), make_policy("psnr.max < 99"))
    assert cut.exit_status == 1
    assert "sapag was cut off on 1 of 1 messages" in cut.rules[0].broken[0].problem


def test_figures_that_are_gone_from_the_file_are_no_pass(audit, make_policy) -> None:
    found = audit()
    path = found.folder / ROWS
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "sapag" in line))
    verdict = check_audit(found, make_policy("psnr.max < 20"))
    assert not verdict.passed
    assert "lacks figures of dlg" in " ".join(verdict.problems)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("psrn < 20", "did you mean 'psnr'"),
        ('psnr < 20 where attack = "sapog"', "no attack of this run is called 'sapog'; did you mean 'sapag'"),
        ('psnr < 20 where attack = "cpl"', "no attack of this run is called 'cpl'"),
        ('psnr < 20 where defense = "LocalDpMud"', "no defense of this run is called 'LocalDpMud'"),
    ],
)
def test_a_policy_is_refused_before_the_app_is_started(make_policy, text: str, words: str) -> None:
    policy: Policy = make_policy(text)
    with pytest.raises(ConfigError) as caught:
        validate(policy, vocabulary_of("photos", ["dlg", "sapag"]))
    assert words in str(caught.value)


def test_check_takes_the_folder_of_an_audit_and_writes_what_ci_reads(audit, tmp_path: Path) -> None:
    folder = audit().folder
    policy = tmp_path / "policy.toml"
    policy.write_text("rules = ['psnr.max < 20']\n")
    files = [str(tmp_path / name) for name in ("out.xml", "out.sarif", "out.md")]
    options = ["--junit", files[0], "--sarif", files[1], "--markdown", files[2]]
    result = CliRunner().invoke(app, ["check", str(folder), "--policy", str(policy), *options])
    assert result.exit_code == 1, result.output
    assert "dlg on single updates under 'none' (photos)" in " ".join(result.stdout.split())
    assert all("client-0.png" in Path(name).read_text() for name in files)
    refused = CliRunner().invoke(app, ["check", str(folder), "--policy", str(policy), "--allow-unfinished"])
    assert isinstance(refused.exception, ConfigError) or refused.exit_code == 2


def test_an_audit_itself_ends_with_the_status_of_its_policy(
    audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = audit()
    started = []
    monkeypatch.setattr("fedleak.cli.audit.audit_app", lambda *_, **__: started.append(1) or found)
    policy = tmp_path / "policy.toml"
    messages = Path(__file__).resolve().parents[2] / "apps" / "messages"
    for rule, status, starts in (("psnr.max < 31", 0, 1), ("psnr.max < 20", 1, 2), ("psrn < 20", 2, 2)):
        policy.write_text(f"rules = ['{rule}']\n")
        result = CliRunner().invoke(app, ["audit", str(messages), "--policy", str(policy)])
        assert (2 if isinstance(result.exception, ConfigError) else result.exit_code) == status
        assert len(started) == starts
    assert (found.folder / "report.html").exists()


def test_a_test_fails_on_a_broken_policy(audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = audit()
    monkeypatch.setattr("fedleak.audit.run.audit_app", lambda *_, **__: found)
    policy = tmp_path / "policy.toml"
    policy.write_text("rules = ['psnr.max < 20']\n")
    with pytest.raises(AssertionError, match=r"FAIL  rule 1  psnr.max < 20"):
        Fedleak(tmp_path, tmp_path, "test").audit("photos", policy=policy)
    policy.write_text("rules = ['psnr.max < 31']\n")
    assert Fedleak(tmp_path, tmp_path, "test").audit("photos", policy=policy) is found
