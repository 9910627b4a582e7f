"""What a person types and sees: results, or one sentence and an exit status."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.cli.app import app

EXPERIMENT = """
name = "tiny"
task = "digits-mlp"
metrics = ["psnr", "label-recall"]
[federation]
clients = 2
[adversary]
auxiliary = 32
[[attacks]]
use = "analytic-linear"
[[attacks]]
use = "bias-sign"
"""


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def say(*words, **options):
    """The real command in a process of its own."""
    command = [sys.executable, "-c", "from fedleak.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **options)


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_text(EXPERIMENT)
    return path


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "experiment.toml").write_text(EXPERIMENT)
    said = invoke("run", folder / "experiment.toml", "--out", folder / "run")
    assert said.exit_code == 0, said.stderr
    return folder / "run", said


def test_a_run_prints_the_table_and_says_where_everything_is(ran):
    folder, said = ran
    assert "higher" in said.stdout
    assert "analytic-linear" in said.stdout
    assert "(prior)" in said.stdout
    assert "2  bias-sign: the attack guesses no examples" in said.stdout
    assert str(folder / "gallery.png") in said.stdout
    assert "federation 'none' ran in" in said.stderr
    assert max(len(line) for line in said.stdout.splitlines() if str(folder) not in line) <= 80


@pytest.mark.slow
def test_the_same_command_goes_on_from_there(ran):
    folder, _ = ran
    said = invoke("run", folder / "experiment.toml", "--out", folder)
    assert said.exit_code == 0
    assert "federation 'none' was there already" in said.stderr


@pytest.mark.slow
def test_a_run_s_table_as_json_stands_alone_on_stdout(ran):
    folder, _ = ran
    said = invoke("run", folder / "experiment.toml", "--out", folder, "--format", "json")
    assert said.exit_code == 0
    facts = json.loads(said.stdout)
    assert list(facts) == ["results", "notes", "problems", "files", "exit_status"]
    assert list(facts["results"][0]) == [
        "task", "setting", "defense", "attack", "sender", "metric", "unit", "higher_is_better",
        "mean", "mean_low", "mean_high", "prior", "no_access", "class_mean", "single_color", "nearest_public",
        "threshold", "messages", "seeds", "samples", "leaked", "tuned",
    ]  # fmt: skip
    assert {(one["attack"], one["metric"]) for one in facts["results"]} >= {("analytic-linear", "psnr")}
    assert facts["files"]["results"] == str(folder / "results.jsonl")


def test_a_plan_as_json_counts_the_same(experiment):
    said = invoke("run", experiment, "--plan", "--format", "json")
    facts = json.loads(said.stdout)
    assert list(facts) == ["name", "federations", "cells", "settings", "defenses"]
    assert (facts["name"], facts["federations"], facts["cells"]) == ("tiny", 1, 4)
    assert facts["settings"] == [{"name": "digits-mlp", "split": "test"}]


def test_what_was_verified_as_json(ran):
    said = invoke("verify", ran[0], "--format", "json")
    assert said.exit_code == 0
    facts = json.loads(said.stdout)
    assert list(facts[0]) == ["defense", "message", "verdict", "error", "remark"]
    assert [one["verdict"] for one in facts] == ["agrees", "agrees"]


@pytest.mark.slow
def test_a_query_of_a_run_needs_no_torch(ran):
    code = "import sys, atexit; atexit.register(lambda: print('torch' in sys.modules or 'flwr' in sys.modules)); "
    command = [sys.executable, "-c", code + "from fedleak.cli import main; main()", "query", str(ran[0])]
    for sql in ([], ["SELECT attack FROM results"]):
        said = subprocess.run([*command, *sql], capture_output=True, text=True, check=True, timeout=60).stdout
        assert said.splitlines()[-1] == "False"


def test_every_recorded_update_follows_from_its_batch(ran):
    said = invoke("verify", ran[0])
    assert said.exit_code == 0
    assert "2 of 2 messages agree" in said.stdout


@pytest.mark.slow
def test_a_kept_recording_is_attacked_and_scored_where_the_truth_is_beside_it(ran, tmp_path):
    recording = ran[0] / "recordings" / "none" / "round-0001" / "client-0000.json"
    said = invoke("attack", recording, "--use", "analytic-linear", "--auxiliary", 32, "--out", tmp_path / "guess.png")
    assert said.exit_code == 0, said.stderr
    assert "own loss" in said.stdout
    assert "psnr" in said.stdout
    assert (tmp_path / "guess.png").read_bytes()[:4] == b"\x89PNG"


def test_a_kept_recording_alone_is_attacked_without_scores(ran, tmp_path):
    for path in (ran[0] / "recordings" / "none" / "round-0001").glob("client-0000.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    said = invoke("attack", tmp_path / "client-0000.json", "--use", "bias-sign")
    assert said.exit_code == 0, said.stderr
    assert "no vault beside the recording" in said.stdout
    assert "labels" in said.stdout
    assert "psnr" not in said.stdout


def test_the_attack_later_gives_the_guess_of_the_run(ran, tmp_path):
    recording = ran[0] / "recordings" / "none" / "round-0001" / "client-0001.json"
    said = invoke("attack", recording, "--use", "analytic-linear", "--auxiliary", 32, "--out", tmp_path / "guess.png")
    rows = [json.loads(line) for line in (ran[0] / "results.jsonl").read_text().splitlines()]
    row = next(r for r in rows if (r["client"], r["attack"], r["metric"]) == (1, "analytic-linear", "psnr"))
    assert f"{row['value']:.4g} dB (prior {row['baseline']:.4g}" in said.stdout


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ('task = "digits-mpl"', "no task is called 'digits-mpl'; did you mean 'digits-mlp'?"),
        ('task = "digits-mlp"\nsead = 1', "sead: unknown field; did you mean 'seed'?"),
        ('task = "digits-mlp"\nseed = "x"', "seed: expected a valid integer, got 'x'"),
        ('task = "digits-mlp', "is not valid TOML"),
    ],
)
def test_a_mistake_in_the_experiment_is_one_sentence(experiment, tmp_path, change, sentence):
    experiment.write_text(EXPERIMENT.replace('task = "digits-mlp"', change))
    said = invoke("run", experiment, "--out", tmp_path / "run")
    assert said.exit_code == 2
    assert said.stderr.startswith("error: ")
    assert sentence in said.stderr
    assert len(said.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("attacks.0.use=analytic-liner", "no attack is called 'analytic-liner'; did you mean 'analytic-linear'?"),
        ("attacks.0.step=3", "attacks.0.step: unknown field of attack 'analytic-linear'"),
        ("metrics.0=pnsr", "no metric is called 'pnsr'; did you mean 'psnr'?"),
        ("federation.clients=none", "federation.clients: expected a valid integer"),
        ("federation.client=3", "federation.client: unknown field; did you mean 'clients'?"),
        ('defenses=[{name = "x", chain = [{use = "cliping"}]}]', "did you mean 'clipping'?"),
        ("clients", "--set clients: expected key=value"),
        ("federation.batch_size=100000", "100000"),
        ("model.checkpoint=nowhere.safetensors", "nowhere.safetensors"),
    ],
)
def test_a_mistake_in_a_setting_is_one_sentence(experiment, tmp_path, setting, sentence):
    said = invoke("run", experiment, "--set", setting, "--out", tmp_path / "run")
    assert said.exit_code == 2, said.output
    last = said.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert sentence in last


def test_settings_override_the_file(experiment, tmp_path):
    said = invoke("run", experiment, "--set", "federation.clients=1", "--set", "attacks=[]", "--out", tmp_path / "run")
    assert said.exit_code == 0
    assert "clients = 1" in (tmp_path / "run" / "experiment.toml").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ("run", "nowhere.toml"),
        ("verify", "nowhere"),
        ("attack", "nowhere.json", "--use", "dlg"),
        ("cite", "nothing"),
        ("list", "nothing"),
        ("run",),
        ("fly",),
    ],
)
def test_what_is_not_there_is_the_users_mistake(words):
    said = invoke(*words)
    assert said.exit_code == 2
    assert "Traceback" not in said.stderr


def test_a_truncated_recording_is_one_sentence(ran, tmp_path):
    for path in (ran[0] / "recordings" / "none" / "round-0001").glob("client-0000.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes()[:200])
    said = invoke("attack", tmp_path / "client-0000.json", "--use", "bias-sign")
    assert said.exit_code == 2
    assert "truncated" in said.stderr


def test_an_attack_that_does_not_apply_says_why(ran):
    recording = ran[0] / "recordings" / "none" / "round-0001" / "client-0000.json"
    said = invoke("attack", recording, "--use", "bias-signs")
    assert said.exit_code == 2
    assert "did you mean 'bias-sign'?" in said.stderr


def test_a_folder_with_another_run_is_refused(ran, experiment):
    said = invoke("run", experiment, "--set", "seed=1", "--out", ran[0])
    assert said.exit_code == 2
    assert "holds a different run" in said.stderr


def test_debug_shows_where_an_error_comes_from():
    said = invoke("--debug", "cite", "nothing")
    assert said.exit_code == 1
    assert "no attack, defense or metric is called 'nothing'" in str(said.exception)


@pytest.mark.parametrize("kind", ["attacks", "defenses", "tasks", "metrics"])
def test_lists(kind):
    said = invoke("list", kind)
    expected = {"attacks": "inverting-gradients", "defenses": "max_norm (needed)", "tasks": "photos-convnet"}
    assert said.exit_code == 0
    assert expected.get(kind, "psnr") in said.stdout


def test_citations_are_bibtex():
    said = invoke("cite", "inverting-gradients")
    assert said.exit_code == 0
    assert said.stdout.startswith("@")
    assert "Geiping" in said.stdout


def test_the_version_is_said():
    assert invoke("--version").stdout.startswith("fedleak ")


def test_help_needs_no_torch():
    code = "import sys; from fedleak.cli.app import app; sys.exit('torch' in sys.modules or 'flwr' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")
def test_a_disk_that_takes_no_more_is_one_sentence(experiment, tmp_path):
    """A file-size limit stands for a full disk: writes fail in the same place with an OSError of their own."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    said = say("run", experiment, "--out", tmp_path / "run", preexec_fn=limit)
    assert said.returncode == 2
    assert said.stderr.splitlines()[-1].startswith("error: cannot write")
    assert "Traceback" not in said.stderr


def test_a_read_only_folder_is_one_sentence(experiment):
    said = invoke("run", experiment, "--out", Path("/proc/fedleak-run"))
    assert said.exit_code == 2
    assert said.stderr.splitlines()[-1].startswith("error: cannot write /proc/fedleak-run")


def as_in_the_foreground():
    """An ignored SIGINT is inherited (`nohup make test &`). Who starts fedleak so means it to be ignored, and it stays
    so; but this test is about a terminal's Ctrl-C, however the tests themselves were started."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="dispositions of signals are POSIX")
def test_ctrl_c_keeps_what_is_there(experiment, tmp_path):
    slow = [EXPERIMENT, '[[attacks]]\nuse = "dlg"\nsteps = 100000\nrestarts = 100\n']
    experiment.write_text("".join(slow))
    command = [sys.executable, "-c", "from fedleak.cli import main; main()", "run", str(experiment)]
    out = tmp_path / "run"
    words = [*command, "--out", str(out), "--jobs", "2"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=as_in_the_foreground) as process:
        deadline = time.monotonic() + 120
        while not list(out.glob("reconstructions/*/*/*/bias-sign.json")) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was finished is kept" in said
    assert "Traceback" not in said
    assert len((out / "results.jsonl").read_text().splitlines()) >= 2


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="descriptors and signals are POSIX")
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_a_run_that_nobody_listens_to_still_runs_and_without_unicode_loses_the_arrows_alone(ran, tmp_path, stderr):
    """What was finished before is told again, so that a process costs little more than to load."""
    shutil.copytree(ran[0], tmp_path / "run")
    words = f"run {tmp_path / 'run' / 'experiment.toml'} --out {tmp_path / 'run'} {stderr}"
    command = ["bash", "-c", f'"{sys.executable}" -c "from fedleak.cli import main; main()" {words}']
    ascii = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=ascii)
    assert done.returncode == 0
    assert "analytic-linear" in done.stdout
    assert "results" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGTERM is POSIX")
def test_a_run_that_is_asked_to_end_keeps_what_it_has(experiment, tmp_path):
    experiment.write_text(EXPERIMENT + '[[attacks]]\nuse = "dlg"\nsteps = 100000\nrestarts = 100\n')
    command = [sys.executable, "-c", "from fedleak.cli import main; main()", "run", str(experiment)]
    out = tmp_path / "run"
    with subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not list(out.glob("reconstructions/*/*/*/bias-sign.json")) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "interrupted; what was finished is kept" in said
    assert (out / "results.jsonl").read_text()
