"""Other people's readers understand the files, and find in them what the verdict says."""

import json
from dataclasses import replace
from pathlib import Path

import junitparser
import pytest
from sarif import loader

from fedleak.gate.baseline import compare
from fedleak.gate.junit import write_junit
from fedleak.gate.markdown import write_markdown
from fedleak.gate.sarif import write_sarif
from fedleak.gate.terminal import verdict_lines
from fedleak.gate.verdict import Picture

RULES = ['psnr < 18 unless defense = "none"', "psnr.worst < 99", "ssim < 1"]


@pytest.fixture
def rows(make_row):
    return [make_row(30.0), make_row(40.0, defense="a|b<&>\x01"), make_row(15.0, defense="noise"), make_row(client=1)]


@pytest.fixture
def verdict(make_verdict, make_row, rows):
    old = [make_row(1.0 + seed / 9, seed=seed) for seed in range(9)]
    new = [make_row(30.0, seed=seed) for seed in range(9)]
    made = make_verdict(RULES, rows, compare(new, old, Path("runs/old"), 0.05), ["3 of 9 cells have not run"])
    first, *others = made.rules
    broken = replace(first.findings[0], picture=Picture(path=Path("runs/one/evidence/x.png")))
    return replace(made, rules=(replace(first, findings=(broken, *first.findings[1:])), *others))


def test_junit_has_a_case_for_each_rule_and_group(verdict, tmp_path):
    suites = junitparser.JUnitXml.fromfile(str(write_junit(verdict, tmp_path / "deep" / "junit.xml")))
    assert [len(suite) for suite in suites] == [1, 2, 3, 1, 1]
    assert (suites.tests, suites.failures, suites.errors) == (8, 4, 0)
    cases = {case.name: case for suite in suites for case in suite if suite.name.startswith("rule 1")}
    (failure,) = cases["dlg on single updates under 'a|b<&>' (digits-mlp)"].result
    assert isinstance(failure, junitparser.Failure)
    assert 'psnr < 18 unless defense = "none": psnr.mean of dlg' in failure.message
    assert "is 40 dB (no interval: too few: 1 message; prior 10, no-gradient 9; 1 message, 1 seed)" in failure.message
    assert "it is not < 18" in failure.message
    assert "picture: runs/one/evidence/x.png" in failure.text
    assert cases["dlg on single updates under 'noise' (digits-mlp)"].is_passed


def test_a_passing_verdict_has_no_failure(make_verdict, make_row, tmp_path):
    verdict = make_verdict(["psnr < 18"], [make_row(1.0)])
    suites = junitparser.JUnitXml.fromfile(str(write_junit(verdict, tmp_path / "junit.xml")))
    assert (suites.tests, suites.failures) == (1, 0)
    assert loader.load_sarif_file(str(write_sarif(verdict, tmp_path / "x.sarif"))).get_result_count() == 0


def test_sarif_has_a_result_for_what_fails_and_no_other(verdict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_sarif(verdict, tmp_path / "gate.sarif")
    log = loader.load_sarif_file(str(path))
    records = log.get_records()
    assert [record["Severity"] for record in records] == ["error"] * 4
    assert [record["Code"].split()[0] for record in records] == ["run", "rule-1", "rule-3", "baseline"]
    assert records[1]["Location"] == "policy.toml"
    assert (records[1]["Line"], records[2]["Line"]) == (1, 3)
    assert "it is not < 18" in records[1]["Description"]


def test_sarif_keeps_the_figures_as_numbers(verdict, tmp_path):
    log = json.loads(write_sarif(verdict, tmp_path / "x").read_text(), parse_constant=pytest.fail)
    run = log["runs"][0]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    results = run["results"]
    assert {result["ruleId"] for result in results} <= rules
    properties = results[1]["properties"]
    assert (properties["figure"], properties["bound"], properties["interval"]) == (40.0, 18.0, [None, None])
    assert properties["baselines"] == {"prior": 10.0, "no-gradient": 9.0}
    assert properties["picture"] == "runs/one/evidence/x.png"
    assert properties["group"]["defense"].startswith("a|b")
    assert results[3]["properties"]["p"] < 0.05
    assert len({result["partialFingerprints"]["fedleak/v1"] for result in results}) == len(results)


def test_a_finding_is_known_again_when_its_figure_changes(make_verdict, make_row, tmp_path):
    def fingerprint(value):
        log = json.loads(write_sarif(make_verdict(["psnr < 1"], [make_row(value)]), tmp_path / "x").read_text())
        return log["runs"][0]["results"][0]["partialFingerprints"]

    assert fingerprint(20.0) == fingerprint(30.0)


def test_markdown_keeps_its_tables_whole(verdict, tmp_path):
    text = write_markdown(verdict, tmp_path / "summary.md").read_text()
    assert text.startswith("## ❌ failed: fedleak check `runs/one`")
    assert "3 of 9 cells have not run" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = [line.replace("\\|", "").count("|") for line in tables]
    assert set(widths) == {5, 9, 11}
    assert "| 40 dB | none to none | 18 | 10 | 9 | 1 | 1 | `runs/one/evidence/x.png` |" in text
    assert "1 group compared, 1 leak more (beyond noise: p < 0.05), 0 could not be tested, 0 unchanged." in text
    assert "| leaks more, beyond noise |" in text
    assert "1 x it raised" in text


def test_markdown_shows_names_as_they_are(make_verdict, make_row, tmp_path):
    verdict = make_verdict(["psnr < 1"], [make_row(9.0, defense="a `b` <i>*c*")])
    verdict = replace(verdict, run=Path("runs/`x` y"))
    page = write_markdown(verdict, tmp_path / "summary.md").read_text()
    assert page.startswith("## ❌ failed: fedleak check ``runs/`x` y``\n")
    assert r"'a \`b\` \<i\>\*c\*'" in page


def test_what_steers_a_terminal_is_left_out(make_verdict, make_row):
    lines = list(verdict_lines(make_verdict(["psnr < 1"], [make_row(9.0, defense="a\x1b[31mb\0c\x9b")])))
    assert any("'a[31mbc'" in line for line in lines)
    assert not {"\x1b", "\x9b", "\0"} & {*"".join(lines)}


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


def test_a_file_is_replaced_but_the_summary_of_a_job_is_appended_to(verdict, tmp_path, monkeypatch):
    path = tmp_path / "summary.md"
    path.write_text("what another command wrote\n")
    write_markdown(verdict, path)
    assert "another command" not in path.read_text()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    path.write_text("what another command wrote\n")
    write_markdown(verdict, path)
    assert path.read_text().startswith("what another command wrote\n## ❌ failed")
