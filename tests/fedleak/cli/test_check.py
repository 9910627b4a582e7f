"""`fedleak check`: one verdict, one exit status, one sentence for what is wrong with what was given."""

import json
import re
import shutil

import junitparser
import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app
from fedleak.results.row import BESIDE

pytestmark = pytest.mark.slow

NOTHING = {"value": None, "per_sample": [], **{name: [] for name in BESIDE}}
"""A row without a figure."""
EXPERIMENT = """
name = "tiny"
task = "digits-mlp"
seed = [1, 2, 3]
metrics = ["psnr", "label-recall"]
[federation]
clients = 2
batch_size = 2
fraction_evaluate = 1.0
[adversary]
auxiliary = 32
[[attacks]]
use = "analytic-linear"
[[attacks]]
use = "bias-sign"
[[attacks]]
use = "inverting-gradients"
labels = "llg"
steps = 3
[[attacks]]
use = "prior"
[[defenses]]
name = "none"
[[defenses]]
name = "gaussian noise"
chain = [{ use = "gaussian-noise", std = 10.0 }]
"""
POLICY = """
rules = [
  'psnr.worst < 18 unless defense = "none"',
  'certified == 0 unless defense = "none"',
  'accuracy >= 0',
]
[[rule]]
name = "digits under noise stay near guessing"
assert = 'psnr.mean < prior + 1 where defense = "gaussian noise"'
because = "a digit that can be read is somebody's"
"""


def plain(said):
    return " ".join(said.stdout.split())


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("gate")
    (path / "experiment.toml").write_text(EXPERIMENT)
    (path / "policy.toml").write_text(POLICY)
    return path


@pytest.fixture(scope="module")
def kept(folder):
    """A run that keeps the policy, made by the gate."""
    said = invoke("check", folder / "experiment.toml", "--policy", folder / "policy.toml", "--out", folder / "kept")
    assert said.exit_code == 0, said.output
    return folder / "kept", said


@pytest.fixture(scope="module")
def leaking(folder):
    """The same without the noise."""
    words = ["check", folder / "experiment.toml", "--policy", folder / "policy.toml", "--out", folder / "leaking"]
    files = ["--junit", folder / "junit.xml", "--sarif", folder / "x.sarif", "--markdown", folder / "summary.md"]
    return folder / "leaking", invoke(*words, *files, "--set", "defenses.1.chain=[]")


@pytest.fixture
def copy(kept, tmp_path):
    """A run that a test may spoil."""
    return shutil.copytree(kept[0], tmp_path / "run")


def test_a_run_that_keeps_its_policy_passes(kept, folder):
    _, said = kept
    assert said.stdout.count("PASS  rule") == 4
    assert "verdict: PASS (0 of 4 rules broken), exit status 0" in said.stdout
    again = invoke("check", kept[0], "--policy", folder / "policy.toml")
    assert again.exit_code == 0
    assert again.stdout == said.stdout
    assert not (kept[0] / "evidence").exists()


def test_what_an_attack_could_not_do_is_shown(kept):
    assert "messages without a figure by any metric:" in kept[1].stdout
    assert "analytic-linear on single updates under 'gaussian noise'" in kept[1].stdout


def test_without_its_noise_it_fails_and_says_what_where_and_how_sure(leaking):
    _, said = leaking
    assert said.exit_code == 1
    words = " ".join(said.stdout.split())
    assert "FAIL rule 4 digits under noise stay near guessing: psnr.mean < prior + 1" in words
    assert "because a digit that can be read is somebody's" in words
    assert "analytic-linear on single updates under 'gaussian noise' (digits-mlp)" in words
    assert re.search(r"psnr.mean is [\d.]+ dB; 95% interval [\d.]+ to [\d.]+, Student's t over 6 messages", words)
    assert re.search(r"bound [\d.]+; prior [\d.]+, no-access [\d.]+, class-mean [\d.]+; 6 messages, 3 seeds", words)
    assert "it is not < 18" in words
    assert "PASS rule 3 accuracy >= 0" in words
    assert "exit status 1" in said.stdout.splitlines()[-1]


def test_the_verdict_as_json_says_the_same(leaking, folder, tmp_path):
    root = shutil.copytree(leaking[0], tmp_path / "run")
    said = invoke("check", root, "--policy", folder / "policy.toml", "--format", "json")
    assert said.exit_code == 1
    facts = json.loads(said.stdout)
    assert list(facts) == ["passed", "exit_status", "rules", "baseline", "problems", "failed_messages"]
    assert (facts["passed"], facts["exit_status"], facts["baseline"]) == (False, 1, None)
    assert list(facts["rules"][0]) == ["number", "name", "text", "passed", "groups", "problem", "notes", "broken"]
    broken = facts["rules"][3]["broken"][0]
    assert list(broken) == ["subject", "value", "value_low", "value_high", "unit", "bound", "problem", "picture"]
    assert broken["subject"].startswith("analytic-linear on single updates under 'gaussian noise'")


def test_a_baseline_as_json(leaking, kept, tmp_path):
    root = shutil.copytree(leaking[0], tmp_path / "run")  # pictures of what is broken are written beside the run
    said = invoke("check", root, "--baseline", kept[0], "--format", "json", "--allow-changes")
    facts = json.loads(said.stdout)["baseline"]
    assert list(facts) == [
        "run", "passed", "problem", "alpha", "groups", "unchanged", "undecided", "new_groups", "differences",
        "regressions",
    ]  # fmt: skip
    assert facts["run"] == str(kept[0])
    assert all(list(one) == ["subject", "metric", "before", "now", "unit", "problem"] for one in facts["regressions"])
    assert facts["regressions"]


def test_the_terminal_is_80_columns_wide(kept, leaking):
    for _, said in (kept, leaking):
        assert max(len(line) for line in said.stdout.splitlines() if not line.startswith("      picture ")) <= 80


def test_each_broken_group_has_a_picture(leaking):
    root, said = leaking
    pictures = [line.split("picture ", 1)[1] for line in said.stdout.splitlines() if "  picture " in line]
    assert len(pictures) == len(set(pictures)) == 3
    assert {str(path) for path in (root / "evidence").iterdir()} == set(pictures)
    for path in (root / "evidence").iterdir():
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_where_only_labels_are_judged_there_is_no_picture(leaking, tmp_path):
    (tmp_path / "policy.toml").write_text("rules = ['label-recall < prior + .1', 'accuracy >= 1']")
    said = invoke("check", leaking[0], "--policy", tmp_path / "policy.toml")
    assert said.exit_code == 1
    assert "no picture: label-recall is about labels only" in said.stdout
    assert "no picture: a federation's figure has no picture" in said.stdout


def test_the_files_say_the_same(leaking, folder):
    suites = junitparser.JUnitXml.fromfile(str(folder / "junit.xml"))
    failing = [case for suite in suites for case in suite if not case.is_passed]
    results = json.loads((folder / "x.sarif").read_text())["runs"][0]["results"]
    assert len(failing) == len(results) == 3
    for case, result in zip(failing, results, strict=True):
        (failure,) = case.result
        assert failure.message in result["message"]["text"]
        assert result["properties"]["picture"] in failure.text
    line = (
        (folder / "policy.toml")
        .read_text()
        .splitlines()[results[-1]["locations"][0]["physicalLocation"]["region"]["startLine"] - 1]
    )
    assert line.startswith("assert = 'psnr.mean < prior + 1")
    assert (folder / "summary.md").read_text().startswith("## ❌ failed")


def test_pictures_of_what_is_mended_do_not_stay(leaking, folder, tmp_path):
    root = shutil.copytree(leaking[0], tmp_path / "run")
    (tmp_path / "policy.toml").write_text("rules = ['psnr.worst < 1000']")
    assert invoke("check", root, "--policy", tmp_path / "policy.toml").exit_code == 0
    assert list((root / "evidence").iterdir()) == []


def test_a_run_whose_truth_is_gone_is_judged_without_pictures(leaking, folder, tmp_path):
    root = shutil.copytree(leaking[0], tmp_path / "run", ignore=shutil.ignore_patterns("vault"))
    said = invoke("check", root, "--policy", folder / "policy.toml")
    assert said.exit_code == 1
    assert "no picture: cannot read" in said.stdout


def test_what_leaks_more_than_the_baseline_fails(kept, leaking, tmp_path):
    """Without the noise the labels can be read; no policy is needed to see that."""
    said = invoke("check", leaking[0], "--baseline", kept[0], "--junit", tmp_path / "junit.xml")
    assert said.exit_code == 1, said.output
    words = " ".join(said.stdout.split())
    assert "label-recall of bias-sign on single updates under 'gaussian noise' (digits-mlp)" in words
    assert re.search(
        r"before, 1 \(share of labels\) now could not be tested \(6 pairs\), but leaks [\d.]+ .*; 95% interval .*; "
        r"p (=|<) 0.0\d+ \(exact sign-flip test over 6 messages of 3 seeds.*\)",
        words,
    )
    assert re.search(r"new: psnr of analytic-linear on .* not compared, \d+ samples leaked picture ", words)
    assert "(4 regressions), exit status 1" in words
    assert junitparser.JUnitXml.fromfile(str(tmp_path / "junit.xml")).failures == 4


def test_a_run_that_leaks_no_more_than_its_baseline_passes(kept, leaking):
    said = invoke("check", leaking[0], "--baseline", leaking[0])
    assert said.exit_code == 0
    assert "PASS  baseline" in said.stdout
    gone = invoke("check", kept[0], "--baseline", leaking[0])
    assert gone.exit_code == 1
    assert "6 messages had a figure in the baseline and none has one now (6 x none of 128" in plain(gone)
    allowed = invoke("check", kept[0], "--baseline", leaking[0], "--allow-changes")
    assert allowed.exit_code == 0
    assert "PASS  baseline" in allowed.stdout


def keep(root, wanted, cells):
    """The run as if it had had these rows only."""
    rows = (root / "results.jsonl").read_text().splitlines(keepends=True)
    (root / "results.jsonl").write_text("".join(line for line in rows if wanted(json.loads(line))))
    manifest = json.loads((root / "manifest.json").read_text())
    counts = {"cells_planned": cells, "cells_finished": cells}
    (root / "manifest.json").write_text(json.dumps({**manifest, **counts}))


@pytest.mark.parametrize(
    ("name", "spoil", "sentence"),
    [
        ("results", lambda lines: lines[:-2], "results.jsonl is damaged: 47 of 48 cells have rows; run the experiment"),
        ("results", lambda lines: lines[2:], "47 of 48 cells have rows"),
        ("results", lambda lines: lines[:-1], "a cell has no row for label-recall"),
        ("results", lambda lines: [*lines, lines[5]], "twice"),
        (
            "results",
            lambda lines: [line.replace('"setting": {}', '"setting": {"x": 1}') for line in lines],
            "no setting",
        ),
        ("federations", lambda lines: lines[:-1], "federations.jsonl is damaged: 5 of 6 rounds have rows"),
        ("federations", lambda lines: [], "0 of 6 rounds have rows"),
        ("federations", lambda lines: [*lines, lines[0]], "twice"),
    ],
)
def test_rows_that_are_gone_between_two_lines_are_missed(copy, folder, name, spoil, sentence):
    path = copy / f"{name}.jsonl"
    path.write_text("".join(spoil(path.read_text().splitlines(keepends=True))))
    refused(invoke("check", copy, "--policy", folder / "policy.toml"), sentence)


@pytest.mark.parametrize("alpha", ["nan", "inf", "0", "1", "-0.1"])
def test_alpha_is_a_probability_between_0_and_1(kept, alpha):
    refused(invoke("check", kept[0], "--baseline", kept[0], f"--alpha={alpha}"), "--alpha: expected a number between")


@pytest.mark.parametrize("value", ["12", None, -1.5])
def test_a_manifest_of_other_types_is_one_sentence(copy, folder, value):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "cells_finished": value}))
    refused(invoke("check", copy, "--policy", folder / "policy.toml"), "manifest.json is damaged (cells_finished: ")


def test_an_unfinished_run_fails_unless_that_is_allowed(copy, folder):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "exit_status": None}))
    rows = (copy / "results.jsonl").read_text().splitlines(keepends=True)
    gone = [line for line in rows if json.loads(line)["seed"] != 3]
    (copy / "results.jsonl").write_text("".join(gone))
    said = invoke("check", copy, "--policy", folder / "policy.toml")
    assert said.exit_code == 1
    assert "FAIL  16 of 48 cells have not run; finish the run" in said.stdout
    assert "too little was shown" in said.stdout
    assert invoke("check", copy, "--policy", folder / "policy.toml", "--allow-unfinished").exit_code == 0


def test_a_federation_that_left_nothing_is_no_proof_of_safety(copy, folder):
    keep(copy, lambda row: row["defense"] == "none", cells=24)
    (copy / "policy.toml").write_text("rules = ['psnr.worst < 1000']")
    said = invoke("check", copy, "--policy", copy / "policy.toml")
    assert said.exit_code == 1
    assert "3 of the run's federations left nothing to attack: 'gaussian noise'" in " ".join(said.stdout.split())


def test_a_run_without_a_figure_fails(copy, tmp_path):
    rows = [json.loads(line) for line in (copy / "results.jsonl").read_text().splitlines()]
    empty = [{**row, **NOTHING, "reason": "it raised"} for row in rows]
    (copy / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in empty))
    (tmp_path / "policy.toml").write_text("rules = ['failed < 1000']")
    said = invoke("check", copy, "--policy", tmp_path / "policy.toml")
    assert said.exit_code == 1
    assert "no cell of this run has a figure from an update, so nothing was shown: 96 x it raised" in plain(said)


def test_a_defense_under_which_an_attack_crashed_fails(copy, tmp_path):
    """What crashed is found in the cells: an attack that only gave up leaves no traceback."""
    (tmp_path / "policy.toml").write_text("rules = ['psnr.worst < 1000']")
    rows = [json.loads(line) for line in (copy / "results.jsonl").read_text().splitlines()]
    for row in rows:
        if row["defense"] == "gaussian noise" and row["attack"] == "inverting-gradients" and row["client"] == 1:
            row |= {**NOTHING, "reason": "RuntimeError: bug"}
    (copy / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert invoke("check", copy, "--policy", tmp_path / "policy.toml").exit_code == 0
    for path in copy.glob("reconstructions/*/gaussian noise/*/client-0001/inverting-gradients.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "crash": {"exit_status": 1, "traceback": "..."}}))
    said = invoke("check", copy, "--policy", tmp_path / "policy.toml")
    assert said.exit_code == 1
    assert "inverting-gradients crashed on 3 of 6 messages, first: RuntimeError: bug" in plain(said)


def test_what_no_attack_could_read_is_no_proof_of_safety(copy, tmp_path):
    """Nothing crashed: all that looks at the update gave up under the noise, and the prior never looks."""
    keep(copy, lambda row: row["attack"] != "inverting-gradients", cells=36)
    (tmp_path / "policy.toml").write_text("rules = ['psnr.worst < 1000']")
    said = invoke("check", copy, "--policy", tmp_path / "policy.toml")
    assert said.exit_code == 1
    assert re.search(
        r"analytic-linear on single updates under 'gaussian noise' .* nothing was measured here", plain(said)
    )


def test_a_client_that_sent_nothing_is_no_crash(copy, tmp_path):
    (tmp_path / "policy.toml").write_text("rules = ['psnr.worst < 1000']")
    rows = [json.loads(line) for line in (copy / "results.jsonl").read_text().splitlines()]
    for row in rows:
        if row["client"] == 1:
            row |= {**NOTHING, "reason": "it is offline", "applicable": True}
    (copy / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for part in ("reconstructions", "recordings"):
        for path in copy.glob(f"{part}/**/client-0001*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    said = invoke("check", copy, "--policy", tmp_path / "policy.toml")
    assert said.exit_code == 0, said.output
    assert "3 of 6 messages have no figure" in plain(said)
    shutil.rmtree(copy / "recordings")
    said = invoke("check", copy, "--policy", tmp_path / "policy.toml")
    assert said.exit_code == 1
    assert "may have crashed (its files are gone or damaged) on 3 of 6 messages, first: it is offline" in plain(said)


def test_a_rule_that_shows_nothing_says_so(kept):
    assert "no attack here had a test that can prove a guess (0 of 18 messages), so this rule" in plain(kept[1])


def test_a_last_round_without_an_accuracy_is_broken(copy, tmp_path):
    (tmp_path / "policy.toml").write_text("rules = ['accuracy >= 0']")
    rows = [json.loads(line) for line in (copy / "federations.jsonl").read_text().splitlines()]
    rows[0]["accuracy"] = None
    (copy / "federations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = invoke("check", copy, "--policy", tmp_path / "policy.toml")
    assert said.exit_code == 1
    assert "the last round has no finite accuracy in 1 of 3 seeds, first: seed 1, round 1" in plain(said)


def test_an_accuracy_that_was_never_measured_says_what_to_set(folder, tmp_path):
    (tmp_path / "policy.toml").write_text("rules = ['accuracy >= 0']")
    words = ("--set", "federation.fraction_evaluate=0.0", "--set", "seed=1", "--out", tmp_path / "run")
    said = invoke("check", folder / "experiment.toml", "--policy", tmp_path / "policy.toml", *words)
    assert said.exit_code == 1
    assert "nothing was measured for it" in plain(said)
    assert "no round was evaluated; set federation.fraction_evaluate" in plain(said)


def test_another_experiment_is_no_baseline_without_a_word(kept, folder, tmp_path):
    other = ("--set", "metrics=['psnr']", "--set", "attacks.2.restarts=2", "--out", tmp_path / "other")
    assert invoke("run", folder / "experiment.toml", *other).exit_code == 0
    said = invoke("check", tmp_path / "other", "--baseline", kept[0])
    assert said.exit_code == 1
    assert "attacks.2.restarts: 1 in the baseline, 2 here" in plain(said)
    assert "metrics: [psnr, label-recall] in the baseline, [psnr] here" in plain(said)
    assert "label-recall of bias-sign on single updates under 'none' (digits-mlp): in the baseline and" in plain(said)
    allowed = invoke("check", tmp_path / "other", "--baseline", kept[0], "--allow-changes", "--alpha", "1e-9")
    assert allowed.exit_code == 0, allowed.output
    assert "differences, allowed)" in plain(allowed)


def test_a_baseline_that_is_not_finished_fails(kept, copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "exit_status": None}))
    said = invoke("check", kept[0], "--baseline", copy)
    assert said.exit_code == 1
    assert "the baseline is not finished: 1 of 48 cells have not run" in plain(said)
    assert invoke("check", kept[0], "--baseline", copy, "--allow-changes").exit_code == 0


def refused(said, sentence):
    assert said.exit_code == 2, said.output
    assert said.stdout == ""
    last = said.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert sentence in last
    assert "Traceback" not in said.stderr


def test_a_corrupt_run_is_one_sentence(copy, folder):
    (copy / "results.jsonl").write_text('{"attack": "dlg"')
    refused(invoke("check", copy, "--policy", folder / "policy.toml"), "is damaged")


def test_an_empty_run_is_one_sentence(copy, folder):
    (copy / "results.jsonl").write_text("")
    refused(invoke("check", copy, "--policy", folder / "policy.toml"), "is an empty run")


@pytest.mark.parametrize(
    ("target", "sentence"),
    [("nowhere", "nowhere is no folder"), ("nowhere.toml", "nowhere.toml"), ("policy.toml", "rules: unknown field")],
)
def test_what_is_no_run_is_one_sentence(folder, target, sentence):
    refused(invoke("check", folder / target, "--policy", folder / "policy.toml"), sentence)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("psnr.p95 <", "rule 1, column 11: expected a number, prior, no-access or class-mean, got the end"),
        ("psrn < 18", "no metric is called 'psrn'; did you mean 'psnr'?"),
        ("psnr < 18 where defense = 'gausian noise'",
         "rule 1: no defense of this run is called 'gausian noise'; did you mean 'gaussian noise'?"),
    ],
)  # fmt: skip
def test_a_policy_typo_is_one_sentence_before_anything_runs(kept, folder, tmp_path, rule, sentence):
    (tmp_path / "policy.toml").write_text(f'rules = ["{rule}"]')
    refused(invoke("check", kept[0], "--policy", tmp_path / "policy.toml"), sentence)
    out = tmp_path / "run"
    said = invoke("check", folder / "experiment.toml", "--policy", tmp_path / "policy.toml", "--out", out)
    refused(said, sentence)
    assert not out.exists()


def test_an_unreadable_policy_is_one_sentence(kept, tmp_path):
    refused(invoke("check", kept[0], "--policy", tmp_path / "nowhere.toml"), "cannot read the policy")


def test_a_baseline_without_a_common_cell_is_one_sentence(kept, folder, tmp_path):
    other = ("--set", "seed=7", "--set", 'attacks=[{use="bias-sign"}]', "--out", tmp_path / "other")
    said = invoke("run", folder / "experiment.toml", *other)
    assert said.exit_code == 0
    refused(invoke("check", kept[0], "--baseline", tmp_path / "other"), "has no cell in common with this run")


def test_without_a_policy_or_a_baseline_there_is_nothing_to_hold_a_run_to(kept):
    refused(invoke("check", kept[0]), "name a --policy (see --example), a --baseline or both")


@pytest.mark.parametrize("words", [("--out", "x"), ("--set", "seed=1")])
def test_a_finished_run_is_judged_as_it_is(kept, folder, words):
    refused(
        invoke("check", kept[0], "--policy", folder / "policy.toml", *words), f"{words[0]} is for an EXPERIMENT.toml"
    )


def test_a_report_that_cannot_be_written_is_one_sentence(kept, folder):
    said = invoke("check", kept[0], "--policy", folder / "policy.toml", "--junit", kept[0] / "manifest.json" / "x.xml")
    refused(said, "cannot write")


def test_the_example_is_a_policy_that_fits_the_demo(tmp_path):
    from importlib.resources import files

    from fedleak.experiment.grid import load_campaign
    from fedleak.gate.policy import load_policy
    from fedleak.gate.validation import Vocabulary, validate

    said = invoke("check", "--example")
    assert said.exit_code == 0
    (tmp_path / "policy.toml").write_text(said.stdout)
    policy = load_policy(tmp_path / "policy.toml")
    validate(policy, Vocabulary.of(load_campaign(files("fedleak") / "presets" / "demo.toml")))
    assert all(rule.line > 1 for rule in policy.rules)
