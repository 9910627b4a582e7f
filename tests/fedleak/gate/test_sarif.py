"""Other people's readers understand the SARIF file, and find in it what the verdict says."""

import json

import pytest
from sarif import loader

from fedleak.gate.sarif import write_sarif


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
    assert properties["baselines"] == {"prior": 10.0, "no-access": 9.0}
    assert properties["picture"] == "runs/one/evidence/x.png"
    assert properties["group"]["defense"].startswith("a|b")
    assert results[3]["properties"]["p"] < 0.05
    assert len({result["partialFingerprints"]["fedleak/v1"] for result in results}) == len(results)


def test_a_finding_is_known_again_when_its_figure_changes(make_verdict, make_row, tmp_path):
    def fingerprint(value):
        log = json.loads(write_sarif(make_verdict(["psnr < 1"], [make_row(value)]), tmp_path / "x").read_text())
        return log["runs"][0]["results"][0]["partialFingerprints"]

    assert fingerprint(20.0) == fingerprint(30.0)


def test_a_passing_verdict_has_no_result(make_verdict, make_row, tmp_path):
    verdict = make_verdict(["psnr < 18"], [make_row(1.0)])
    assert loader.load_sarif_file(str(write_sarif(verdict, tmp_path / "x.sarif"))).get_result_count() == 0
