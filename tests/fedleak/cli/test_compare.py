"""`fedleak compare` and `fedleak advise`, on a run of seconds."""

import json
import re
from dataclasses import fields

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fedleak.analysis.analysis import Analysis
from fedleak.cli.app import app
from fedleak.cli.comparison_table import comparison_facts, comparison_tables
from fedleak.report.adaptive_attackers import known_defenses
from fedleak.report.pictures import Files
from fedleak.results.dp_row import DPRow, write_dp_rows
from fedleak.runs.folder import RunFolder
from fedleak.runs.reading import read_run

EXPERIMENT = """
name = "tiny comparison"
task = "digits-mlp"
seed = [1, 2, 3, 4, 5]
metrics = ["psnr"]
[federation]
clients = 1
fraction_evaluate = 1.0
[adversary]
auxiliary = 64
[[attacks]]
use = "inverting-gradients"
steps = 40
[[attacks]]
use = "lti"
shadows = 10
epochs = 2
hidden = 16
[[defenses]]
name = "sparse"
chain = [{ use = "top-k", fraction = 0.02 }]
[[defenses]]
name = "noisy"
chain = [{ use = "gaussian-noise", std = 10.0 }]
"""


def fedleak(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    (folder / "experiment.toml").write_text(EXPERIMENT)
    result = fedleak("compare", folder / "experiment.toml", "--out", folder / "run")
    assert result.exit_code == 0, result.output
    return folder / "run", result.output


@pytest.mark.slow
def test_it_prints_a_line_for_each_defense(compared):
    _, output = compared
    assert all(re.search(rf"^\s*{name}\b", output, re.MULTILINE) for name in ("none", "sparse", "noisy"))
    assert "untested" not in output
    assert "fedleak advise" in output


@pytest.mark.slow
def test_the_results_have_both_attackers_and_what_knowing_is_worth(compared):
    root, _ = compared
    found = {one.defense: one for one in Analysis.of(read_run(root)).defenses("psnr")}
    assert found["none"].adaptive is None
    assert not found["none"].defended
    sparse = found["sparse"]
    assert sparse.tested
    assert sparse.plain.group.algorithm == "plain inverting-gradients"
    assert sparse.knowing.reference.attack == sparse.plain.group.attack
    assert sparse.knowing.difference > 0
    assert sparse.plain.tuned
    assert len([one for one in sparse.attackers if "inverting-gradients" in one.group.algorithm]) == 2
    assert sparse.operating_point.one
    assert sparse.knowing.pairs == 5
    assert 0 <= sparse.accuracy.mean <= 1


@pytest.mark.slow
def test_the_report_has_what_is_known_and_what_noise_leaves_to_the_unbiased(compared):
    root, _ = compared
    run = read_run(root)
    analysis = Analysis.of(run)
    lines = known_defenses(analysis.defenses("psnr"), analysis.test_rows, Files(run.folder))
    found = {one.defense: one for one in lines}
    assert found["sparse"].knowledge.startswith("top-k: ")
    assert (found["sparse"].information, found["none"].proof) == ("\N{EN DASH}", "\N{EN DASH}")
    assert found["noisy"].information.endswith(" dB by Fisher information, unbiased attackers only")
    assert "Against attackers who know the defense" in (root / "report.html").read_text()


@pytest.mark.slow
def test_what_canaries_show_of_the_run_stands_beside_what_is_proved(compared):
    root, _ = compared
    path = RunFolder(root).dp_audit
    texts = {"task": "digits-mlp", "defense": "noisy", "view": "message", "terms": "", "declared_of": "", "cause": ""}
    whole = {"rounds": 1, "canaries": 10, "releases": 20, "seed": 0, "setting": {}, "verdict": "broken"}
    figures = {one.name: 1.5 for one in fields(DPRow)} | {"low": 1.25, "high": 1.75}
    write_dp_rows(path, [DPRow(**{**figures, **texts, **whole, "sentence": "broken"})])
    try:
        run = read_run(root)
        found = Analysis.of(run).defenses("psnr")
    finally:
        path.unlink()
    assert {one["defense"]: one["epsilon_verdict"] for one in comparison_facts(found)}["noisy"] == "broken"
    lines = {one.defense: one for one in known_defenses(found, run.rows, Files(run.folder))}
    assert lines["noisy"].proof.endswith("; by canaries measured 1.50 (1.25 to 1.75) a release: broken")
    shown = Console(width=80, record=True)
    shown.print(comparison_tables(found, 80)[1])
    assert "1.50 seen" in shown.export_text()


@pytest.mark.slow
def test_advice_names_the_evidence_and_has_an_exit_status(compared):
    root, _ = compared
    kept = fedleak("advise", root, "--max-leak", "99dB", "--max-share", "0.55")
    assert kept.exit_code == 0, kept.output
    words = " ".join(kept.output.split())
    assert "0 of 5 samples past psnr 99.0 in 5 seeds, so at most 52.2% of them (97.5%); p95 " in words
    assert "not tried: labels, membership, properties, representatives, columns, secrets and payload" in words
    assert "what was not tried" in words
    few = fedleak("advise", root, "--max-leak", "99dB")
    assert few.exit_code == 1
    assert "72 clean seeds would show at most 0.05" in " ".join(few.output.split())
    none = fedleak("advise", root, "--max-leak", "0.1 dB")
    assert none.exit_code == 1
    assert "no defense that was tried keeps" in " ".join(none.output.split())


@pytest.mark.slow
def test_the_comparison_as_json_has_these_fields(compared):
    root, _ = compared
    said = fedleak("compare", root.parent / "experiment.toml", "--out", root, "--format", "json")
    assert said.exit_code == 0, said.output
    facts = json.loads(said.stdout)
    assert list(facts) == ["defenses", "notes", "problems", "files", "exit_status"]
    assert [one["defense"] for one in facts["defenses"]] == ["none", "sparse", "noisy"]
    assert list(facts["defenses"][0]) == [
        "condition", "server", "defense", "metric", "unit", "attack", "plain", "plain_low", "plain_high",
        "adaptive", "adaptive_low", "adaptive_high", "tested", "refused", "control", "gain", "p95", "worst", "guess",
        "accuracy", "accuracy_low", "accuracy_high", "trivial_accuracy", "one_operating_point", "operating_point",
        "sent_bytes", "encoded_bytes", "seconds", "memory_bytes",
        "delta", "epsilon_whole_run", "epsilon_terms", "epsilon_recorded",
        "epsilon_measured", "epsilon_measured_least", "epsilon_verdict", "success", "success_bound",
    ]  # fmt: skip


@pytest.mark.slow
def test_advice_as_json_has_a_verdict_for_each_defense_and_the_same_exit_status(compared):
    root, _ = compared
    for limit, status in (("99dB", 0), ("0.1dB", 1)):
        said = fedleak("advise", root, "--max-leak", limit, "--max-share", "0.55", "--format", "json")
        assert said.exit_code == status
        facts = json.loads(said.stdout)
        assert list(facts) == ["max_leak", "max_share", "min_accuracy", "allowed", "defenses", "not_tried"]
        assert {one["defense"] for one in facts["defenses"]} == {"none", "sparse", "noisy"}
        assert any(one["verdict"] == "recommended" for one in facts["defenses"]) == (status == 0)
        assert list(facts["defenses"][0]) == [
            "condition", "defense", "verdict", "reason",
            "metric", "attack", "samples", "seeds", "past", "share", "share_at_most", "seeds_needed",
            "p95", "worst", "mean", "accuracy", "left_open", "others",
        ]  # fmt: skip
        assert all(list(one) == ["title", "words"] for one in facts["not_tried"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-leak", "much"], "expected a number"),
        (["--max-leak", "3", "--metric", "psn"], "did you mean 'psnr'"),
        (["--max-leak", "3", "--min-accuracy", "90"], "0.0<=x<=1.0"),
        (["--max-leak", "3", "--max-share", "0"], "0.001<=x<=1.0"),
        (["--max-leak", "3", "--allow", "label"], "did you mean 'labels'"),
        (
            ["--max-leak", "3", "--servers"],
            "--servers: every server of this run is honest; run an experiment with rows",
        ),
    ],
)
def test_bad_limits_are_one_sentence(compared, arguments, words):
    result = fedleak("advise", compared[0], *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


@pytest.mark.slow
def test_a_comparison_can_be_planned(tmp_path):
    (tmp_path / "experiment.toml").write_text(EXPERIMENT.replace("seed = [1, 2, 3, 4, 5]", "seed = 1"))
    result = fedleak("compare", tmp_path / "experiment.toml", "--plan", "--seeds", "7")
    assert result.exit_code == 0, result.output
    # On 2 seeds 6 variants of both forms are tuned, and on 7 the best of each is run beside the one that learns.
    assert f"9 settings, 27 federations, {2 * 3 * 12 + 7 * 3 * 3} cells" in result.output
