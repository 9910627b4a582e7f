"""A whole run on handwritten digits: the same whatever the jobs, never lost, and honest about what fails."""

import json
import math
import shutil
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from flwr.serverapp.strategy import FedAvg
from torch.utils.tensorboard.writer import SummaryWriter  # noqa: F401  its warnings come once, on import

from fedleak.campaign import cell_job, tensorboard
from fedleak.clients import client as client_module
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import ConfigError, FedleakError, NonFiniteError, OutputError
from fedleak.experiment.experiment import parse_experiment
from fedleak.federation.reply import reply
from fedleak.results.row import read_results
from fedleak.results.schema import AGGREGATE
from fedleak.run import run
from fedleak.runs.folder import RunFolder
from fedleak.runs.manifest import PACKAGES
from fedleak.verification.verify import breakdowns, verify

pytestmark = pytest.mark.slow

TREE = {
    "name": "tiny",
    "seed": 3,
    "task": "digits-mlp",
    "metrics": ["psnr", "label-recall"],
    "federation": {"clients": 2, "batch_size": 1},
    "adversary": {"auxiliary": 32},
    "attacks": [{"use": "analytic-linear"}, {"use": "dlg", "steps": 3, "restarts": 1}],
    "defenses": [
        {"name": "none"},
        {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 1e-3}]},
        {"name": "summed", "chain": [{"use": "secure-aggregation"}]},
    ],
}


@attacks.register("test-raises")
@dataclass(frozen=True, kw_only=True)
class Raises(Attack):
    """Has a bug."""

    paper: ClassVar = "https://example.org"
    bibtex: ClassVar = "@misc{none}"

    def reconstruct(self, observation, rng):
        raise ZeroDivisionError("a bug")


@attacks.register("test-diverges")
@dataclass(frozen=True, kw_only=True)
class Diverges(Attack):
    """Fails the way attacks may."""

    paper: ClassVar = "https://example.org"
    bibtex: ClassVar = "@misc{none}"

    def reconstruct(self, observation, rng):
        return Reconstruction.failed("the loss became NaN")


def experiment(**changes):
    return parse_experiment({**TREE, **changes})


def figures(folder):
    """`results.jsonl` without what may differ between two runs of the same experiment."""
    rows = [json.loads(line) for line in folder.results.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(experiment(), tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_leaves_everything_it_promises(whole):
    folder = whole.folder
    assert whole.exit_status == 0
    assert (whole.folder.gallery.read_bytes()[:8]) == b"\x89PNG\r\n\x1a\n"
    names = {path.name for path in folder.root.iterdir()}
    assert names == {
        "experiment.toml", "manifest.json", "results.jsonl", "results.parquet", "federations.jsonl", "gallery.png",
        "report.html", "tensorboard", "recordings", "vault", "reconstructions", ".lock",
    }  # fmt: skip
    assert (folder.reconstructions / "summed" / "round-0001" / "aggregate" / "dlg.safetensors").exists()


def test_rows_are_in_plan_order_and_complete(whole):
    rows = read_results(whole.folder.results)
    senders = {"none": (0, 1), "noisy": (0, 1), "summed": (0, 1, AGGREGATE)}
    expected = [
        (defense, client, attack, metric)
        for defense, clients in senders.items()
        for client in clients
        for attack in ("analytic-linear", "dlg")
        for metric in ("psnr", "label-recall")
    ]
    assert [(row.defense, row.client, row.attack, row.metric) for row in rows] == expected
    assert all(row.seed == 3 and row.round == 1 for row in rows)


def test_the_aggregate_is_scored_against_the_whole_cohort(whole):
    rows = read_results(whole.folder.results)
    assert {row.samples for row in rows if row.client == AGGREGATE} == {2}
    assert {row.samples for row in rows if row.client != AGGREGATE} == {1}


def test_the_linear_layer_gives_the_digit_away(whole):
    rows = [row for row in read_results(whole.folder.results) if row.attack == "analytic-linear"]
    open_ones = [row for row in rows if row.defense == "none" and row.metric == "psnr"]
    assert all(row.value > 80 > row.baseline for row in open_ones)


def test_the_manifest_says_what_made_the_run(whole):
    facts = json.loads(whole.folder.manifest.read_text())
    assert facts["seeds"] == [3]
    assert facts["cells_planned"] == facts["cells_finished"] == 14
    assert facts["torch"] == torch.__version__
    assert set(facts["packages"]) == set(PACKAGES)
    assert facts["exit_status"] == 0
    assert facts["finished"] >= facts["started"]
    assert facts["threads_per_cell"] == 1


def test_tensorboard_has_the_attack_over_its_iterations_and_pictures(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path = whole.folder.tensorboard / "none" / "round-0001" / "client-0000" / "dlg"
    events = EventAccumulator(str(path)).Reload()
    assert {"attack/own loss", "score/psnr", "prior/psnr"} <= set(events.Tags()["scalars"])
    assert {"truth", "guess"} <= set(events.Tags()["images"])


def test_the_same_run_again_reuses_every_cell(whole, monkeypatch):
    before = figures(whole.folder)
    monkeypatch.setattr(cell_job, "_attacked", lambda *_: pytest.fail("a finished cell was run again"))
    again = run(experiment(), whole.folder.root)
    assert figures(again.folder) == before
    assert json.loads(again.folder.manifest.read_text())["resumed"] is True


def test_a_lost_cell_a_damaged_one_and_a_lost_federation_come_back_the_same(whole, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(whole.folder.root, root)
    folder = RunFolder(root)
    (folder.reconstructions / "none" / "round-0001" / "client-0001" / "dlg.json").unlink()
    damaged = folder.reconstructions / "noisy" / "round-0001" / "client-0000" / "dlg.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:50])
    shutil.rmtree(folder.recordings("summed"))
    assert figures(run(experiment(), root).folder) == figures(whole.folder)


def test_an_interrupted_run_keeps_what_it_has_and_goes_on(whole, tmp_path, monkeypatch):
    written = tensorboard.write
    done = []

    def interrupt(cell, message, saved):
        done.append(cell)
        if len(done) == 3:
            raise KeyboardInterrupt
        written(cell, message, saved)

    with monkeypatch.context() as patch:
        patch.setattr(tensorboard, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(experiment(), tmp_path / "run")
    assert figures(RunFolder(tmp_path / "run")) == figures(whole.folder)[:6]
    assert figures(run(experiment(), tmp_path / "run").folder) == figures(whole.folder)


def test_two_processes_give_the_same_results(whole, tmp_path):
    outcome = run(experiment(), tmp_path / "run", jobs=2)
    assert figures(outcome.folder) == figures(whole.folder)


def test_an_attack_that_raises_is_recorded_and_the_rest_goes_on(tmp_path):
    table = [{"use": "test-raises"}, {"use": "analytic-linear"}, {"use": "test-diverges"}]
    outcome = run(experiment(attacks=table, defenses=[{"name": "none"}]), tmp_path / "run")
    assert outcome.exit_status == 1
    assert outcome.problems[0] == "test-raises on none, round 1, 0: ZeroDivisionError: a bug"
    rows = {(row.attack, row.metric): row for row in outcome.rows if row.client == 0}
    assert rows["test-raises", "psnr"].reason == "ZeroDivisionError: a bug"
    assert rows["test-raises", "psnr"].baseline > 0
    assert rows["test-diverges", "psnr"].reason == "the loss became NaN"
    assert rows["analytic-linear", "psnr"].value > 80
    assert "ZeroDivisionError" in outcome.folder.errors.read_text()
    assert "Traceback" in outcome.folder.errors.read_text()


def test_an_attack_that_only_diverges_is_no_failure_of_the_run(tmp_path):
    outcome = run(experiment(attacks=[{"use": "test-diverges"}], defenses=[{"name": "none"}]), tmp_path / "run")
    assert outcome.exit_status == 0


def test_an_attack_used_twice_gets_two_labels(tmp_path):
    twice = [{"use": "dlg", "steps": 1, "restarts": 1}, {"use": "dlg", "steps": 2, "restarts": 1}]
    outcome = run(experiment(attacks=twice, defenses=[{"name": "none"}]), tmp_path / "run")
    assert list(dict.fromkeys(row.attack for row in outcome.rows)) == ["dlg", "dlg-2"]


def test_a_later_federation_that_fails_leaves_the_others_results(tmp_path):
    from fedleak.campaign import federation_job

    real = federation_job.run_federation

    def fail(plan, engine, listener):
        if plan.defense == "noisy":
            raise ConfigError("this defense cannot be")
        return real(plan, engine, listener)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(federation_job, "run_federation", fail)
        outcome = run(experiment(), tmp_path / "run")
    assert outcome.exit_status == 2
    noisy = [row for row in outcome.rows if row.defense == "noisy"]
    assert {row.reason for row in noisy} == {"this defense cannot be"}
    assert len(noisy) == 8
    assert {row.defense for row in outcome.rows} == {"none", "noisy", "summed"}


def test_where_no_federation_comes_to_anything_its_error_is_raised(tmp_path):
    tree = {**TREE, "federation": {"clients": 2, "batch_size": 100_000}}
    with pytest.raises(FedleakError, match="100000"):
        run(parse_experiment(tree), tmp_path / "run")


def test_a_disk_that_fills_up_is_one_sentence_and_keeps_what_is_finished(tmp_path, monkeypatch):
    from fedleak.runs import cell_file

    real, saved = cell_file.save, []

    def fill_up(stem, content):
        if len(saved) == 2:
            raise OutputError(f"cannot write {stem}: No space left on device; free some space")
        saved.append(stem)
        real(stem, content)

    monkeypatch.setattr(cell_file, "save", fill_up)
    with pytest.raises(OutputError, match="No space left"):
        run(experiment(), tmp_path / "run")
    assert len(figures(RunFolder(tmp_path / "run"))) == 4


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize(("error", "status"), [(ZeroDivisionError("a bug"), 1), (NonFiniteError("the loss is nan"), 2)])
def test_a_federation_that_breaks_down_late_has_its_sound_rounds_attacked(tmp_path, monkeypatch, error, status, summed):
    def failing(*arguments):
        if arguments[5][3] == 3:
            raise error
        return reply(*arguments)

    monkeypatch.setattr(client_module, "reply", failing)
    chain = {"chain": [{"use": "secure-aggregation"}]} if summed else {}
    tree = {
        "federation": {"clients": 2, "rounds": 4, "fraction_evaluate": 1.0},
        "defenses": [{"name": "only", **chain}],
        "attacks": [{"use": "analytic-linear"}],
        "metrics": ["psnr"],
    }
    outcome = run(experiment(**tree), tmp_path / "run")
    assert outcome.exit_status == status
    assert [f"{row.round} {row.client}" for row in outcome.rows] == [
        f"{round} {who}" for round in range(1, 5) for who in (0, 1, *[AGGREGATE] * summed)
    ]
    sound, broken = outcome.rows[: len(outcome.rows) // 2], outcome.rows[len(outcome.rows) // 2 :]
    assert all(row.reason is None and row.value > 5 for row in sound)
    # Under a protocol other people's exceptions are told by name alone: their text may come of examples.
    told = type(error).__name__ if summed and status == 1 else str(error)
    assert all(math.isnan(row.value) and told in row.reason for row in broken)
    assert any("the federation broke down" in problem and "in 2 rounds" in problem for problem in outcome.problems)
    rounds = [json.loads(line) for line in outcome.folder.federations.read_text().splitlines()]
    assert [one["failures"] for one in rounds] == [0, 0, 2, 2]
    assert [one["accuracy"] is None for one in rounds] == [False, False, True, True]
    assert all(check.verdict in ("agrees", "masked") for check in verify(outcome.folder.root))
    assert [told in sentence for sentence in breakdowns(outcome.folder.root)] == [True]

    attacked = []
    monkeypatch.setattr(cell_job, "_attacked", lambda *_: attacked.append(1))
    assert figures(run(experiment(**tree), tmp_path / "run").folder) == figures(outcome.folder)
    assert not attacked


def test_a_strategy_that_fails_late_costs_no_message_that_was_recorded(tmp_path, monkeypatch):
    aggregate = FedAvg.aggregate_train

    def failing(strategy, server_round, replies):
        if server_round == 2:
            raise ZeroDivisionError("a bug in a strategy")
        return aggregate(strategy, server_round, replies)

    monkeypatch.setattr(FedAvg, "aggregate_train", failing)
    federation = {"clients": 2, "rounds": 3}
    outcome = run(experiment(federation=federation, defenses=[{"name": "none"}]), tmp_path / "run")
    assert {(row.round, math.isnan(row.value)) for row in outcome.rows} == {(1, False), (2, False), (3, True)}
    assert "Traceback" in outcome.folder.errors.read_text()
    assert outcome.exit_status == 1


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("the disk melted"), 1), (NonFiniteError("the loss is nan"), 2)]
)
def test_a_client_that_fails_in_mid_round_costs_only_its_own_figures(tmp_path, monkeypatch, error, status):
    def failing(*arguments):
        dice = arguments[5]
        if dice[2:] == (1, 2):
            raise error
        return reply(*arguments)

    monkeypatch.setattr(client_module, "reply", failing)
    federation = {"clients": 2, "rounds": 2, "batch_size": 1}
    outcome = run(experiment(federation=federation, defenses=[{"name": "none"}]), tmp_path / "run")
    assert outcome.exit_status == status
    assert any("client 1" in problem and str(error) in problem for problem in outcome.problems)
    lost = [row for row in outcome.rows if (row.client, row.round) == (1, 2)]
    assert len(lost) == 4
    assert all(math.isnan(row.value) and str(error) in row.reason for row in lost)
    kept = [row for row in outcome.rows if (row.client, row.round) != (1, 2)]
    assert len(kept) == 12
    assert all(row.reason is None for row in kept)
