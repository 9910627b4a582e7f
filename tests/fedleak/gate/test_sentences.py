"""The same sentences are on the terminal and in every file."""

import json
from pathlib import Path

import junitparser
import pytest

from fedleak.gate.baseline import compare
from fedleak.gate.junit import write_junit
from fedleak.gate.markdown import write_markdown
from fedleak.gate.sarif import write_sarif
from fedleak.gate.terminal import verdict_lines

NOTE = "no attack here had a test that can prove a guess (0 of 1 message), so this rule shows nothing"


def test_a_rule_that_shows_nothing_says_so_in_every_file(make_verdict, make_row, tmp_path):
    verdict = make_verdict(["certified == 0"], [make_row(1.0)])
    assert verdict.passed
    (suite,) = junitparser.JUnitXml.fromfile(str(write_junit(verdict, tmp_path / "junit.xml")))
    assert [(one.name, one.value) for one in suite.properties()] == [("note", NOTE)]
    log = json.loads(write_sarif(verdict, tmp_path / "x").read_text())
    assert log["runs"][0]["tool"]["driver"]["rules"][1]["properties"]["notes"] == [NOTE]
    assert f"- rule 1: {NOTE}" in write_markdown(verdict, tmp_path / "summary.md").read_text()


def against(make_verdict, make_row, *, allow_changes):
    """A run in which a group is gone, a setting differs, a group leaks that failed, and one leaks that has one pair."""
    old = [*(make_row(1.0 + seed / 9, seed=seed) for seed in range(9)), make_row(1.0, defense="gone")]
    old += [make_row(defense="mended"), make_row(1.0, defense="once")]
    new = [*(make_row(1.0, seed=seed) for seed in range(9)), make_row(60.0, defense="mended")]
    new += [make_row(60.0, defense="once")]
    changed = ["attacks.0.steps: 60 in the baseline, 1 here"]
    baseline = compare(new, old, Path("runs/old"), 0.05, changed=changed, allow_changes=allow_changes)
    return make_verdict(["psnr < 99"], new, baseline)


@pytest.mark.parametrize(("allow_changes", "failing"), [(False, 4), (True, 2)])
def test_all_that_fails_against_a_baseline_is_in_every_file(make_verdict, make_row, tmp_path, allow_changes, failing):
    verdict = against(make_verdict, make_row, allow_changes=allow_changes)
    suites = junitparser.JUnitXml.fromfile(str(write_junit(verdict, tmp_path / "junit.xml")))
    log = json.loads(write_sarif(verdict, tmp_path / "x").read_text(), parse_constant=pytest.fail)
    texts = [result["message"]["text"] for result in log["runs"][0]["results"]]
    assert suites.failures == len(texts) == failing
    page = write_markdown(verdict, tmp_path / "summary.md").read_text()
    lines = "\n".join(verdict_lines(verdict))
    for text in ("could not be tested (1 pair), but leaks 59 dB more", "1 sample leaked"):
        assert sum(text in one for one in texts) == 1
        assert text in page
        assert text in " ".join(lines.split())
    for text in ("attacks.0.steps: 60 in the baseline, 1 here", "'gone' (digits-mlp): in the baseline and not in this"):
        assert any(text in one for one in texts) is not allow_changes
        assert text in page
        assert text in " ".join(lines.split())
    assert f"verdict: FAIL (0 of 1 rule broken, 2 regressions, 2 differences{', allowed' * allow_changes})" in lines
