"""A campaign: the same results whatever runs it and however often it is killed, and each federation run once."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
from typer.testing import CliRunner

from fedleak.campaign import cell_job, federation_job
from fedleak.campaign.events import Events
from fedleak.campaign.plan import cells_of
from fedleak.campaign.pool import Pool
from fedleak.campaign.workers import InThisProcess, died, lost
from fedleak.cli.app import app
from fedleak.clients import client as client_module
from fedleak.errors import FedleakError, OutputError, RecordingError
from fedleak.experiment.grid import parse_campaign
from fedleak.federation.reply import reply
from fedleak.results.row import read_results
from fedleak.run import run
from fedleak.runs import cell_file
from fedleak.runs.folder import RunFolder
from fedleak.runs.ownership import locked
from fedleak.runs.reading import read_run
from fedleak.statistics.summary import summarize

pytestmark = pytest.mark.slow

TREE = {
    "name": "grid",
    "seed": [1, 2],
    "task": "digits-mlp",
    "metrics": ["psnr", "label-recall"],
    "federation": {"clients": 2, "batch_size": [1, 2]},
    "adversary": {"auxiliary": 32},
    "attacks": [{"use": "analytic-linear"}, {"use": "dlg", "steps": 3, "success": [1e-6, 0.5], "restarts": 1}],
    "defenses": [{"name": "none"}, {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 1e-3}]}],
}
CELLS = 2 * 2 * 2 * 2 * 3
QUICK = {"attacks": [{"use": "analytic-linear"}]}


def campaign(**changes):
    return parse_campaign({**TREE, **changes})


def figures(folder):
    """`results.jsonl` without what may differ between two runs of the same campaign."""
    rows = [json.loads(line) for line in folder.results.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


class Watching(Events):
    def __init__(self):
        self.told = []

    def cells(self, progress):
        self.told.append(progress)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    events = Watching()
    return run(campaign(), tmp_path_factory.mktemp("runs") / "whole", events=events), events.told


@pytest.fixture(scope="module")
def whole(watched):
    return watched[0]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return run(campaign(**QUICK), tmp_path_factory.mktemp("runs") / "quick")


def test_rows_are_in_plan_order_and_complete(whole):
    rows = read_results(whole.folder.results)
    assert len(rows) == CELLS * 2
    order = [(row.setting["federation.batch_size"], row.seed, row.defense, row.client, row.attack) for row in rows]
    expected = [
        (size, seed, defense, client, attack)
        for size in (1, 2)
        for seed in (1, 2)
        for defense in ("none", "noisy")
        for client in (0, 1)
        for attack in ("analytic-linear", "dlg success=1e-06", "dlg success=0.5")
        for _ in range(2)
    ]
    assert order == expected


def test_a_row_leads_to_its_recording_its_truth_and_its_guess(whole):
    for row in whole.rows:
        assert whole.folder.recording(row).with_suffix(".safetensors").exists()
        assert whole.folder.cell(row).parent.joinpath(f"{row.attack}.json").exists()
        assert whole.folder.events(row).is_dir()


def test_every_cell_has_files_of_its_own_and_a_finished_one_is_not_run_again(whole, tmp_path, monkeypatch):
    assert len(list(whole.folder.reconstructions.rglob("*.json"))) == CELLS
    assert len(list(whole.folder.tensorboard.rglob("events.*"))) == CELLS
    for row in whole.rows:
        assert [kept.facts() for kept in cell_file.load(whole.folder.cell(row)).rows if kept.metric == row.metric] == [
            row.facts()
        ]
    shutil.copytree(whole.folder.root, tmp_path / "run")
    monkeypatch.setattr(cell_job, "_attacked", lambda *_: pytest.fail("a finished cell was run again"))
    assert figures(run(campaign(), tmp_path / "run").folder) == figures(whole.folder)


def test_results_never_get_shorter_while_a_run_is_taken_up_again(whole, tmp_path, monkeypatch):
    shutil.copytree(whole.folder.root, tmp_path / "run")
    entered = []

    class Interrupting(Events):
        def cells(self, progress):
            entered.append(progress)
            if len(entered) == 10:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(campaign(), tmp_path / "run", events=Interrupting())
    assert figures(RunFolder(tmp_path / "run")) == figures(whole.folder)


def test_a_cell_is_run_again_when_what_was_recorded_has_changed(tmp_path, monkeypatch):
    """A client that failed in round 1 changes the model of round 2: other updates, so other cells."""
    tree = {"seed": 1, "federation": {"clients": 2, "rounds": 2}, "defenses": [{"name": "none"}]}
    fresh = run(campaign(**tree), tmp_path / "fresh")

    def fail(*arguments):
        if arguments[5][2:] == (1, 1):  # the dice
            raise RuntimeError("a cosmic ray")
        return reply(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(client_module, "reply", fail)
        assert run(campaign(**tree), tmp_path / "run").exit_status == 1
    assert figures(run(campaign(**tree), tmp_path / "run").folder) == figures(fresh.folder)


def test_a_client_that_fails_after_its_update_costs_no_figure(tmp_path, monkeypatch):
    def fail(self, content):
        raise RuntimeError("the battery is empty")

    monkeypatch.setattr(client_module.Client, "evaluate", fail)
    tree = {"seed": 1, "federation": {"clients": 2, "fraction_evaluate": 1.0}, "defenses": [{"name": "none"}]}
    outcome = run(campaign(**tree), tmp_path / "run")
    assert outcome.exit_status == 1
    assert any("the battery is empty" in problem for problem in outcome.problems)
    back = read_run(tmp_path / "run")
    assert len(back.rows) == len({(row.client, row.attack, row.metric) for row in back.rows}) == 2 * 3 * 2
    assert back.manifest.cells_finished == back.manifest.cells_planned == 2 * 3
    assert all(math.isnan(row.accuracy) for row in back.federations)


@pytest.mark.parametrize("lost", ["vault", "recordings/seed=1 batch_size=1/none/round-0001/client-0000.safetensors"])
def test_what_was_lost_of_a_federation_is_made_again(quick, tmp_path, lost):
    root = tmp_path / "run"
    shutil.copytree(quick.folder.root, root)
    shutil.rmtree(root / lost) if (root / lost).is_dir() else (root / lost).write_bytes(b"half")
    shutil.rmtree(root / "reconstructions")
    assert figures(run(campaign(**QUICK), root).folder) == figures(quick.folder)


def test_a_run_that_ends_by_an_error_says_so_in_its_manifest(tmp_path):
    with pytest.raises(FedleakError, match="100000"):
        run(campaign(federation={"clients": 2, "batch_size": 100_000}), tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert facts["exit_status"] == 2


def test_a_page_that_cannot_be_drawn_is_a_problem_and_not_the_end(tmp_path, monkeypatch):
    def fail(run, analysis, path):
        raise ZeroDivisionError("a bug in the page")

    monkeypatch.setattr("fedleak.report.page.write_report", fail)
    outcome = run(campaign(**QUICK, seed=1), tmp_path / "run")
    assert outcome.exit_status == 1
    assert outcome.problems == ("the pictures could not be drawn: ZeroDivisionError: a bug in the page",)
    assert "Traceback" in outcome.folder.errors.read_text()
    assert outcome.rows


def test_a_run_is_read_back(whole):
    back = read_run(whole.folder.root)
    assert [row.facts() for row in back.rows] == [row.facts() for row in whole.rows]
    assert back.campaign.tree == campaign().tree
    assert back.unfinished == 0
    assert [(row.seed, row.defense, row.messages) for row in back.federations[:2]] == [(1, "none", 2), (1, "noisy", 2)]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda root: root.rename(root.with_name("elsewhere")), "is no folder"),
        (lambda root: (root / "experiment.toml").unlink(), "is no run folder"),
        (lambda root: (root / "results.jsonl").write_text(""), "is an empty run"),
        (lambda root: (root / "results.jsonl").write_text('{"task": 1'), "is damaged"),
        (lambda root: (root / "results.jsonl").unlink(), "cannot read"),
        (lambda root: (root / "manifest.json").write_text("{}"), "is damaged"),
        (lambda root: (root / "experiment.toml").write_text("x = 1"), "is damaged or of another version"),
    ],
)
def test_what_is_no_whole_run_is_one_sentence(whole, tmp_path, spoil, sentence):
    root = tmp_path / "run"
    root.mkdir()
    for name in ("experiment.toml", "results.jsonl", "manifest.json", "federations.jsonl"):
        (root / name).write_bytes((whole.folder.root / name).read_bytes())
    spoil(root)
    with pytest.raises(RecordingError, match=sentence) as caught:
        read_run(root)
    assert "\n" not in str(caught.value)


def test_each_federation_is_run_once_and_attacked_often(tmp_path, monkeypatch):
    real, ran = federation_job.run_federation, []

    def count(plan, engine, listener):
        ran.append(plan)
        return real(plan, engine, listener)

    monkeypatch.setattr(federation_job, "run_federation", count)
    changes = {**QUICK, "adversary": {"auxiliary": [0, 16, 32]}, "federation": {"clients": 2}}
    outcome = run(campaign(**changes), tmp_path / "run")
    assert len(ran) == 2 * 2
    assert len(outcome.rows) == 3 * 2 * 2 * 2 * 2
    run(campaign(**changes), tmp_path / "run")
    assert len(ran) == 2 * 2


def test_without_public_data_there_is_no_no_access_baseline_but_a_prior(tmp_path):
    outcome = run(campaign(**QUICK, adversary={"auxiliary": [0, 32]}, seed=1), tmp_path / "run")
    without = [row for row in outcome.rows if row.setting["adversary.auxiliary"] == 0 and not math.isnan(row.value)]
    assert without
    assert all(math.isnan(row.no_access) and not math.isnan(row.baseline) for row in without)
    others = [row for row in outcome.rows if row.setting["adversary.auxiliary"] == 32 and not math.isnan(row.value)]
    assert all(not math.isnan(row.no_access) for row in others)


def test_tuning_seeds_choose_and_are_not_reported(tmp_path):
    outcome = run(campaign(tuning={"seeds": [8, 9]}, federation={"clients": 2}), tmp_path / "run")
    assert {row.seed for row in outcome.rows if row.split == "tuning"} == {8, 9}
    summaries = summarize(outcome.rows)
    assert {one.seeds for one in summaries if one.messages} == {2}
    chosen = {one.group.attack for one in summaries if one.tuned and one.group.defense == "none"}
    assert len(chosen & {"dlg success=1e-06", "dlg success=0.5"}) == 1


def test_progress_tells_what_is_done_what_fails_and_the_extremes(watched):
    outcome, told = watched
    last = told[-1]
    scored = [row.value for row in outcome.rows if row.metric == "psnr" and not math.isnan(row.value)]
    assert (last.done, last.total) == (CELLS, CELLS)
    assert (last.best.value, last.worst.value) == (max(scored), min(scored))
    assert all(one.total == CELLS for one in told)
    assert [one.done for one in told] == sorted(one.done for one in told)


def test_a_worker_that_dies_costs_its_cell_and_the_rest_goes_on(tmp_path, monkeypatch):
    class Dying(InThisProcess):
        def next(self, advance):
            job = self._queue[0]
            if getattr(job, "table", {}).get("use") == "idlg":
                return lost(self._queue.popleft(), died("signal 9, SIGKILL"))
            return super().next(advance)

    monkeypatch.setattr("fedleak.run.InThisProcess", Dying)
    tree = {"attacks": [{"use": "idlg", "steps": 1}, {"use": "analytic-linear"}], "seed": 1}
    outcome = run(campaign(**tree), tmp_path / "run")
    rows = [row for row in outcome.rows if row.attack == "idlg"]
    assert rows
    assert all("the process that ran it died (signal 9, SIGKILL)" in row.reason for row in rows)
    assert any(row.value > 80 for row in outcome.rows if row.attack == "analytic-linear")
    assert outcome.exit_status == 1
    monkeypatch.undo()
    assert run(campaign(**tree), tmp_path / "run").exit_status == 0


def test_a_federation_with_a_bug_is_recorded_with_its_traceback(tmp_path, monkeypatch):
    real = federation_job.run_federation

    def fail(plan, engine, listener):
        if plan.defense == "noisy":
            raise ZeroDivisionError("a bug in a strategy")
        return real(plan, engine, listener)

    monkeypatch.setattr(federation_job, "run_federation", fail)
    outcome = run(campaign(seed=1), tmp_path / "run")
    assert outcome.exit_status == 1
    assert {row.reason for row in outcome.rows if row.defense == "noisy"} == {"ZeroDivisionError: a bug in a strategy"}
    assert "Traceback" in outcome.folder.errors.read_text()


def test_two_runs_in_one_folder_at_a_time_are_refused(whole):
    with locked(whole.folder), pytest.raises(OutputError, match="another run is working"):
        run(campaign(), whole.folder.root)


def test_a_plan_is_told_without_running_anything(tmp_path):
    (tmp_path / "grid.toml").write_text(tomli_w.dumps(TREE))
    said = CliRunner().invoke(app, ["run", str(tmp_path / "grid.toml"), "--plan", "--out", str(tmp_path / "run")])
    assert said.exit_code == 0, said.stderr
    assert f"4 settings, 8 federations, {CELLS} cells" in said.stdout
    assert "seed=1 batch_size=2" in said.stdout
    assert not (tmp_path / "run").exists()


def test_a_pool_gives_the_same_results(whole, tmp_path):
    assert figures(run(campaign(), tmp_path / "run", jobs=2).folder) == figures(whole.folder)


@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_ray_gives_the_same_results(whole, tmp_path):
    """In a process of its own: Ray leaves processes behind until the one that began them ends."""
    (tmp_path / "grid.toml").write_text(tomli_w.dumps(TREE))
    words = ["run", str(tmp_path / "grid.toml"), "--out", str(tmp_path / "run"), "--engine", "ray", "--jobs", "1"]
    command = [sys.executable, "-c", "from fedleak.cli import main; main()", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert figures(RunFolder(tmp_path / "run")) == figures(whole.folder)


@pytest.mark.usefixtures("alone_with_flower_and_ray")
def test_an_address_where_no_cluster_answers_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(FedleakError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        run(campaign(), tmp_path / "run", engine="ray")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("jobs", [1, 2], ids=["one process", "a pool"])
def test_a_campaign_that_is_killed_again_and_again_ends_with_the_same_results(whole, tmp_path, killed, jobs):
    """Killed as soon as so many cells are there."""
    out = tmp_path / "run"
    for many in (1, 25):
        killed(out, "reconstructions/*/*/*/*/*.json", many, run, campaign(), out, jobs=jobs)
    assert read_run(out).unfinished > 0
    assert run(campaign(), out, jobs=jobs).exit_status == 0
    assert figures(read_run(out).folder) == figures(whole.folder)
    assert read_run(out).unfinished == 0


class _WaitingError(Exception):
    """Nothing is over yet."""


def _stop_waiting(working):
    def tell(federations, cells):
        working.append(cells)
        raise _WaitingError

    return tell


def children(process):
    """The processes that a process forked."""
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def kill_workers():
    for pid in {one for server in children(os.getpid()) for one in children(server)}:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children of a process are looked up in Linux's /proc")
def test_a_pool_outlives_a_worker_that_is_killed_at_work_and_all_that_are_killed_idle(whole, tmp_path):
    shutil.copytree(whole.folder.root, tmp_path / "run")
    row = whole.rows[0]
    point = campaign().points[0]
    (cell, *_) = cells_of(campaign(), 0, tmp_path / "run", point.experiment.defenses[0], {(1, 0): "a"})
    endless = replace(cell, table={"use": "dlg", "steps": 1_000_000, "restarts": 1, "success": 0.0})
    workers = Pool(1)
    try:
        workers.submit(endless)
        working = []
        while not sum(working):
            with suppress(_WaitingError):
                workers.next(_stop_waiting(working))
        kill_workers()
        finished = workers.next(lambda federations, cells: None)
        assert "signal 9, SIGKILL" in finished.result.rows[0].reason
        workers.submit(cell)
        assert workers.next(lambda federations, cells: None).result.rows[0].value == row.value
        kill_workers()
        workers.submit(cell)
        assert workers.next(lambda federations, cells: None).result.rows[0].value == row.value
    finally:
        workers.close(kill=True)
