"""Ray: a job whose node dies is begun again elsewhere, and a node that cannot work on a run is named before it."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tomli_w

from fedleak.campaign.cell import Cell
from fedleak.campaign.federation_job import Federated, Federation
from fedleak.campaign.plan import cells_of
from fedleak.campaign.ray_workers import ATTEMPTS, Attempt, RayWorkers, _run, _unfit
from fedleak.campaign.workers import Finished, Job, left_by, run_job
from fedleak.errors import ConfigError, FedleakError
from fedleak.experiment.grid import parse_campaign
from fedleak.io.fingerprint import source_fingerprint
from fedleak.run import run
from fedleak.runs.cell_file import Saved
from fedleak.runs.folder import RunFolder

TREE = {
    "name": "grid",
    "seed": [1, 2],
    "task": "digits-mlp",
    "metrics": ["psnr", "label-recall"],
    "federation": {"clients": 2, "batch_size": 2},
    "adversary": {"auxiliary": 32},
    "attacks": [{"use": "analytic-linear"}, {"use": "dlg", "steps": [20, 21], "restarts": 1}],
}
CELLS = 2 * 2 * 3
Process = subprocess.Popen[str]
CLUSTER = """
import sys
from ray.cluster_utils import Cluster


def stubbornly(start):
    for _ in range(3):
        try:
            return start()
        except Exception as error:  # a node gives up where a busy machine takes half a minute to start it
            print(error, file=sys.stderr, flush=True)
    return start()


here = {"node_ip_address": "127.0.0.1"}
head = {"num_cpus": 0, "include_dashboard": False, **here}
cluster = stubbornly(lambda: Cluster(initialize_head=True, head_node_args=head))
nodes = [stubbornly(lambda: cluster.add_node(num_cpus=1, **here)) for _ in range(2)]
print(cluster.address, flush=True)
for line in sys.stdin:
    nodes.pop().kill_raylet()
    print("killed", flush=True)
cluster.shutdown()
"""


def figures(folder: RunFolder) -> list[dict[str, Any]]:
    """`results.jsonl` without what may differ between two runs of the same campaign."""
    rows = [json.loads(line) for line in folder.results.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


class FakeRay:
    """As much of Ray as workers use; tasks come to what `outcomes` say, in turn, each then to its job's result."""

    class exceptions:  # noqa: N801  its name in Ray
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            cause: Exception | None = None

        class GetTimeoutError(RayError):
            pass

    def __init__(self, *outcomes: Exception, cores: float = 2.0) -> None:
        self.outcomes, self.cores, self.attempts = list(outcomes), cores, list[Attempt]()

    def remote(self, **options: object) -> Any:
        assert options["max_retries"] == 0  # Ray would begin a job again for ever that takes too much memory
        return lambda task: SimpleNamespace(remote=self._begin)

    def wait(self, running: list[int], num_returns: int, timeout: float) -> tuple[list[int], list[int]]:
        return running[:num_returns], running[num_returns:]

    def get(self, reference: int) -> object:
        if self.outcomes:
            raise self.outcomes.pop(0)
        return came_of(self.attempts[reference].number)

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self.cores} if self.cores else {}

    def _begin(self, attempt: Attempt) -> int:
        self.attempts.append(attempt)
        return len(self.attempts) - 1


def came_of(number: int) -> Federated:
    """What a fake task comes to that was begun for the so-manieth time."""
    return Federated(messages={}, failures=[], seconds=float(number), evaluation={})


def nothing(federations: float, cells: float) -> None:
    """Hears of progress."""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Federation, Cell]:
    """A federation that was run, and a cell on a message of it that was not."""
    campaign = parse_campaign({**TREE, "seed": 1, "attacks": [{"use": "analytic-linear"}]})
    root = tmp_path_factory.mktemp("run")
    (root / "experiment.toml").touch()
    point, defense = campaign.points[0], campaign.first.defenses[0]
    federation = Federation(root=root, point=point, defense=defense, engine="loopback")
    federated = run_job(federation)
    assert isinstance(federated, Federated)
    return federation, cells_of(campaign, 0, root, defense, federated.messages)[0]


def attempt(job: Job, number: int = 1, fingerprint: str = "") -> Attempt:
    return Attempt(
        job=job, fingerprint=fingerprint or source_fingerprint(), directory=Path("/not/there"), number=number
    )


def test_a_job_whose_node_died_is_begun_again(jobs: tuple[Federation, Cell]) -> None:
    ray = FakeRay(FakeRay.exceptions.RayError(), FakeRay.exceptions.RayError())
    workers = RayWorkers(ray, jobs[0].root)
    workers.submit(jobs[0])
    assert workers.next(nothing) == Finished(jobs[0], came_of(3))
    assert [one.number for one in ray.attempts] == [1, 2, 3]


def test_a_job_that_always_takes_its_process_with_it_is_lost_and_the_others_go_on(
    jobs: tuple[Federation, Cell],
) -> None:
    ray = FakeRay(*[FakeRay.exceptions.RayError()] * ATTEMPTS)
    workers = RayWorkers(ray, jobs[0].root)
    workers.submit(jobs[1])
    finished = workers.next(nothing)
    assert isinstance(finished.result, Saved)
    assert finished.result.rows[0].reason == "the process that ran it died (RayError, 4 times)"
    workers.submit(jobs[0])
    assert workers.next(nothing) == Finished(jobs[0], came_of(1))


def test_an_error_of_ours_in_a_task_ends_the_run_as_it_is(jobs: tuple[Federation, Cell]) -> None:
    error = FakeRay.exceptions.RayTaskError()
    error.cause = ConfigError("the disk is full")
    workers = RayWorkers(FakeRay(error), jobs[0].root)
    workers.submit(jobs[0])
    with pytest.raises(ConfigError, match="the disk is full"):
        workers.next(nothing)


def test_workers_hold_more_jobs_when_nodes_come(jobs: tuple[Federation, Cell]) -> None:
    ray = FakeRay()
    workers = RayWorkers(ray, jobs[0].root)
    assert workers.capacity == 4
    ray.cores = 8.0
    workers._count_cores()
    assert workers.capacity == 16


def test_a_cluster_without_a_core_is_waited_for_and_then_given_up(
    jobs: tuple[Federation, Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = RayWorkers(FakeRay(cores=0.0), jobs[0].root)
    workers._count_cores()
    monkeypatch.setattr("fedleak.campaign.ray_workers.LONELY_SECONDS", -1.0)
    with pytest.raises(FedleakError, match="no core"):
        workers._count_cores()


def test_what_an_attempt_finished_is_not_done_again(
    jobs: tuple[Federation, Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    federation, cell = jobs
    assert left_by(cell) is None
    first = _run(attempt(cell))
    monkeypatch.setattr("fedleak.campaign.ray_workers.run_job", lambda job: pytest.fail("begun again"))
    again, federated = _run(attempt(cell, 2)), _run(attempt(federation, 2))
    assert isinstance(first, Saved)
    assert isinstance(again, Saved)
    assert again.rows == first.rows
    assert isinstance(federated, Federated)
    assert federated.reused


def test_a_node_that_cannot_work_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedleak.campaign.ray_workers.VISIBLE_SECONDS", 0.0)
    here, gone, ours = tmp_path / "token", tmp_path / "gone", source_fingerprint()
    here.touch()
    assert _unfit(here, tmp_path, ours) == ""
    assert "other sources of fedleak" in _unfit(here, tmp_path, "0" * 16)
    assert f"does not see {gone}; choose an --out that all nodes share" in _unfit(gone, tmp_path, ours)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"cannot write {tmp_path}" in _unfit(here, tmp_path, ours)


def test_a_job_on_a_node_without_the_folder_names_the_node(
    jobs: tuple[Federation, Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "node-7")
    with pytest.raises(ConfigError, match="the Ray node node-7 has other sources of fedleak"):
        _run(attempt(jobs[1], fingerprint="0" * 16))


@pytest.fixture
def cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, alone_with_flower_and_ray: None
) -> Iterator[subprocess.Popen[str]]:
    """A cluster of two raylets beside a head, on loopback, in a process of its own; a line on stdin kills one."""
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    settings["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else Ray takes 127.0.0.1 for the address of this machine
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-W", "ignore", "-c", CLUSTER]
    log = tmp_path / "cluster.log"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (
        log.open("w") as pipes["stderr"],
        subprocess.Popen(command, **pipes, text=True, start_new_session=True) as process,
    ):
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, log.read_text()
        monkeypatch.setenv("RAY_ADDRESS", address)
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
        with suppress(ProcessLookupError):  # workers that outlived their raylet
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Ray's local cluster and SIGKILL are POSIX")
def test_a_node_that_is_killed_in_mid_run_costs_nothing(cluster: Process, tmp_path: Path) -> None:
    whole = run(parse_campaign(TREE), tmp_path / "whole")
    (tmp_path / "grid.toml").write_text(tomli_w.dumps(TREE))
    words = ["run", str(tmp_path / "grid.toml"), "--out", "away", "--engine", "ray"]
    command = [sys.executable, "-c", "from fedleak.cli import main; main()", *words]
    out = tmp_path / "away"
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while len(list(out.glob("reconstructions/**/*.json"))) < 2 and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.01)
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        cluster.stdin.write("kill\n")
        cluster.stdin.flush()
        assert cluster.stdout.readline() == "killed\n"
        assert process.poll() is None, "the run was over before a node could be killed"
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert len(figures(RunFolder(out))) == 2 * CELLS
    assert figures(RunFolder(out)) == figures(whole.folder)
    assert not list(out.glob(".ray*"))
