"""The pool deals GPUs out to its workers, and a device that is not there is refused before anything is begun."""

import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from typer.testing import CliRunner

from fedleak.campaign import pool as pool_module
from fedleak.campaign.pool import Pool, Worker
from fedleak.campaign.schedule import schedule_of
from fedleak.campaign.workers import InThisProcess, wants_gpu
from fedleak.cli.app import app
from fedleak.errors import ConfigError
from fedleak.experiment.grid import parse_campaign
from fedleak.run import run
from fedleak.runs.folder import RunFolder
from fedleak.settings.task import TaskSettings

TREE: dict[str, Any] = {"name": "one", "task": "digits-mlp", "attacks": [{"use": "dlg", "steps": 1}]}


class FakeContext:
    """Starts nothing and remembers what processes were started with."""

    def __init__(self) -> None:
        self.started: list[Any] = []

    def Pipe(self) -> Any:  # noqa: N802  as in multiprocessing
        return multiprocessing.Pipe()

    def Process(self, target: Any, args: tuple[Any, ...], daemon: bool) -> Any:  # noqa: N802
        self.started.append(args[1])
        return type("Process", (), {"start": lambda _: None, "join": lambda _: None, "exitcode": -9})()


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> FakeContext:
    fake = FakeContext()
    monkeypatch.setattr(pool_module, "worker_context", lambda: fake)
    return fake


def begun(pool: Pool, count: int, root: Path) -> list[Worker]:
    """The workers of a pool after so many jobs."""
    federation = schedule_of(parse_campaign(TREE), RunFolder(root), "loopback").next()
    assert federation is not None
    for _ in range(count):
        pool.submit(federation)
        for worker in pool._workers:
            worker.ready, worker.job = True, federation
    return pool._workers


def test_each_worker_has_a_gpu_in_turn_and_its_successor_the_same(context: FakeContext, tmp_path: Path) -> None:
    pool = Pool(5, (0, 1, 3))
    workers = begun(pool, 5, tmp_path)
    assert context.started == [worker.gpu for worker in workers] == [0, 1, 3, 0, 1]
    assert pool._heard(workers[2]) is None  # its process is gone, before it said that the job had reached it
    assert context.started[5:] == [3]


def test_without_gpus_nothing_is_taken(context: FakeContext, tmp_path: Path) -> None:
    begun(Pool(2), 2, tmp_path)
    assert context.started == [None, None]


def of_app(job: Any, home: str) -> Any:
    task = TaskSettings(data="app:images", network="net:Net", folder=home, bundle="0" * 64)
    experiment = job.point.experiment.model_copy(update={"task": task})
    return replace(job, point=replace(job.point, experiment=experiment))


def test_a_worker_is_given_jobs_of_one_app_alone(
    context: FakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = schedule_of(parse_campaign(TREE), RunFolder(tmp_path), "loopback").next()
    mine, yours = of_app(plain, "/mine"), of_app(plain, "/yours")
    ends = [multiprocessing.Pipe() for _ in range(3)]  # theirs stay open, as in processes that run
    monkeypatch.setattr(context, "Pipe", lambda: (ends[len(context.started)][0], Mock()))
    pool = Pool(2, (0, 1))
    for job in (mine, yours):
        pool.submit(job)
        pool._workers[-1].ready = True
        pool._hand_out()
    first, second = pool._workers
    assert (first.job, second.job) == (mine, yours)
    second.job = None  # it is done, and what waits is the first one's: that waits on
    pool.submit(yours)
    assert (second.job, len(context.started)) == (yours, 2)
    second.job = None
    pool.submit(plain)  # nobody's here, so another takes its place, with its GPU
    assert pool._workers[0] is first
    assert pool._workers[1] is not second
    assert context.started == [0, 1, 1]
    pool._workers[1].ready = True
    pool._hand_out()
    assert pool._workers[1].job == plain


def test_this_process_takes_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    InThisProcess()
    InThisProcess((2, 3))
    assert taken == [2]


def test_a_federation_wants_a_gpu_where_its_experiment_computes_on_one(tmp_path: Path) -> None:
    for device in ("cpu", "cuda"):
        job = schedule_of(parse_campaign({**TREE, "device": device}), RunFolder(tmp_path), "loopback").next()
        assert job is not None
        assert wants_gpu(job) is (device == "cuda")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("words", [["--device", "cuda"], ["--device", "cuda:1"], ["--device", "mps"]])
def test_a_device_that_is_not_there_is_refused_before_anything_is_begun(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('name = "one"\ntask = "digits-mlp"\nattacks = [{ use = "dlg", steps = 1 }]\n')
    out = tmp_path / "run"
    done = CliRunner().invoke(app, ["run", str(tmp_path / "one.toml"), "--out", str(out), *words])
    assert done.exit_code == 2
    assert "was asked for, and torch" in done.output
    assert "finds the processor alone" in done.output
    assert not out.exists()


@pytest.mark.usefixtures("no_gpu")
def test_so_is_one_that_an_attack_names(tmp_path: Path) -> None:
    campaign = parse_campaign({**TREE, "attacks": [{"use": "dlg", "device": "cuda"}]})
    with pytest.raises(ConfigError, match='device = "cuda" was asked for'):
        run(campaign, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_on_ray_nobody_but_the_cluster_picks_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it is the cluster that picks"):
        run(parse_campaign(TREE), tmp_path / "run", engine="ray", gpu=1)


@pytest.mark.usefixtures("no_gpu")
def test_auto_is_the_processor_here_and_gives_what_it_gives(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('name = "one"\ntask = "digits-mlp"\nattacks = [{ use = "dlg", steps = 1 }]\n')
    command = ["run", str(tmp_path / "one.toml"), "--plan", "--format", "json"]
    plain, auto = (CliRunner().invoke(app, [*command, *words]) for words in ([], ["--device", "auto"]))
    assert plain.exit_code == auto.exit_code == 0
    assert plain.output == auto.output
