"""Other people's readers understand the JUnit file, and find in it what the verdict says."""

import junitparser

from fedleak.gate.junit import write_junit


def test_junit_has_a_case_for_each_rule_and_group(verdict, tmp_path):
    suites = junitparser.JUnitXml.fromfile(str(write_junit(verdict, tmp_path / "deep" / "junit.xml")))
    assert [len(suite) for suite in suites] == [1, 2, 3, 1, 1]
    assert (suites.tests, suites.failures, suites.errors) == (8, 4, 0)
    cases = {case.name: case for suite in suites for case in suite if suite.name.startswith("rule 1")}
    (failure,) = cases["dlg on single updates under 'a|b<&>' (digits-mlp)"].result
    assert isinstance(failure, junitparser.Failure)
    assert 'psnr < 18 unless defense = "none": psnr.mean of dlg' in failure.message
    assert "is 40 dB (no interval: too few: 1 message; prior 10, no-access 9; 1 message, 1 seed)" in failure.message
    assert "it is not < 18" in failure.message
    assert "picture: runs/one/evidence/x.png" in failure.text
    assert cases["dlg on single updates under 'noise' (digits-mlp)"].is_passed


def test_a_passing_verdict_has_no_failure(make_verdict, make_row, tmp_path):
    verdict = make_verdict(["psnr < 18"], [make_row(1.0)])
    suites = junitparser.JUnitXml.fromfile(str(write_junit(verdict, tmp_path / "junit.xml")))
    assert (suites.tests, suites.failures) == (1, 0)
