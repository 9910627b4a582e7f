"""Ray workers: jobs on this machine, or on the cluster that `RAY_ADDRESS` names; all nodes share the run folder."""

import importlib.util
import logging
import os
import secrets
import shutil
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

import fedleak
from fedleak.campaign import workers as jobs_of
from fedleak.campaign.cell import Cell
from fedleak.campaign.workers import Advance, Finished, Job, Result, Workers, died, left_by, lost, run_job, wants_gpu
from fedleak.errors import ConfigError, FedleakError, first_line, sentence
from fedleak.io.fingerprint import address_of, source_fingerprint
from fedleak.io.tensors import FACTS, beside
from fedleak.learning.facts import Device
from fedleak.processes.home import settle
from fedleak.runs.folder import RunFolder

WAIT_SECONDS = 0.2
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 180.0
"""What a node may take to load fedleak and look for the run folder."""
VISIBLE_SECONDS = 30.0
"""What a shared folder may take to show on one machine what was written on another."""
LONELY_SECONDS = 600.0
"""How long jobs wait for a cluster that has not one core left."""
ATTEMPTS = 4
"""How often a job is begun whose process or node dies; one that kills its process itself is not tried for ever."""
LOCKS = ".ray"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Attempt:
    """What a task is told."""

    job: Job
    """With a root that does not depend on a working directory."""
    fingerprint: str
    """Of the source that it must be done with."""
    directory: Path
    """From which relative paths in the experiment count, on nodes that have it."""
    number: int = 1


class RayWorkers(Workers):
    """One task a job, one core a task. Ray is started for the run, or joined where `RAY_ADDRESS` says so.

    A job whose process or node died is begun again on whatever node there is; results are files in the run folder.
    """

    def __init__(self, ray: Any, root: Path) -> None:
        self._ray, self._root = ray, root
        self._task = ray.remote(num_cpus=1, max_retries=0)(_run)
        self._gpu_task = ray.remote(num_cpus=1, num_gpus=1, max_retries=0)(_run)
        self._running: dict[Any, tuple[Job, int]] = {}
        """Jobs, each with how often it was begun."""
        self._alive = time.monotonic()
        self._count_cores()

    @classmethod
    def started(cls, jobs: int, root: Path, devices: Collection[Device] = ()) -> "RayWorkers":
        """Starts or joins Ray; raises `ConfigError` where it is not installed, nobody answers, or a node cannot work.

        Every node must have the same fedleak and see the run folder `root`, and there must be the devices that jobs
        compute on: that is asked before any job is handed out.
        """
        if importlib.util.find_spec("ray") is None:
            raise ConfigError("the engine 'ray' needs Ray; install ray, or use --jobs for a pool on this machine")
        _require_reachable(os.environ.get("RAY_ADDRESS", ""))
        os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"})
        options = _start_options(jobs)  # sets what Ray reads when it is imported
        import ray

        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            raise ConfigError(f"RAY_ADDRESS: {sentence(error)}; start the cluster or unset it") from error
        workers = cls(ray, root.resolve())
        try:
            if "cuda" in devices and not ray.cluster_resources().get("GPU"):  # type: ignore[no-untyped-call]
                raise ConfigError(
                    'device = "cuda" was asked for, and Ray knows of no GPU in the cluster; start nodes that have one, '
                    'or take "cpu"'
                )
            workers._require_fit_nodes()
        except BaseException:
            workers.close(kill=True)
            raise
        return workers

    def submit(self, job: Job) -> None:
        self._begin(job, 1)

    def next(self, advance: Advance) -> Finished:
        while True:
            over, _ = self._ray.wait(list(self._running), num_returns=1, timeout=WAIT_SECONDS)
            finished = self._heard(over[0]) if over else None
            if finished is not None:
                return finished
            self._count_cores()
            advance(0.0, 0.0)

    def close(self, *, kill: bool) -> None:
        if kill:
            for reference in self._running:
                self._ray.cancel(reference, force=True)
        self._ray.shutdown()
        shutil.rmtree(self._root / LOCKS, ignore_errors=True)

    def _begin(self, job: Job, number: int) -> None:
        attempt = Attempt(replace(job, root=self._root), source_fingerprint(), Path.cwd(), number)
        task = self._gpu_task if wants_gpu(job) else self._task  # Ray shows a task no GPU but its own
        # Nor does it give a process of one environment a task of another, so none imports two apps.
        task = task.options(runtime_env={"env_vars": {"FEDLEAK_APP": home}}) if (home := jobs_of.home_of(job)) else task
        self._running[task.remote(attempt)] = (job, number)

    def _heard(self, reference: Any) -> Finished | None:
        """What a task came to; None where the job is begun again."""
        job, number = self._running.pop(reference)
        try:
            return Finished(job, self._ray.get(reference))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, FedleakError) else error from None
        except self._ray.exceptions.RayError as error:
            if number == ATTEMPTS:
                return lost(job, died(f"{type(error).__name__}, {number} times"))
            self._begin(job, number + 1)
            return None

    def _count_cores(self) -> None:
        """Nodes come and go. Raises where none is left for so long that nobody seems to start another."""
        cores, now = int(self._ray.cluster_resources().get("CPU", 0)), time.monotonic()
        self.capacity = 2 * max(1, cores)
        self._alive = now if cores else self._alive
        if now - self._alive > LONELY_SECONDS:
            raise FedleakError(
                f"the Ray cluster has had no core for {LONELY_SECONDS / 60:.0f} minutes; start nodes and give the same "
                "command again, which goes on from here"
            )

    def _require_fit_nodes(self) -> None:
        """Asks each node with cores whether it can work on this run; one that goes away meanwhile is nobody's fault."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ask = self._ray.remote(num_cpus=0, max_retries=0)(_unfit)
        nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        with _token(self._root) as token:
            asked = {
                ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                    token, self._root, source_fingerprint()
                ): f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
                for node in nodes
            }
            for reference, name in asked.items():
                reason = self._answer(reference)
                if reason:
                    raise ConfigError(f"the Ray node {name} {reason}")

    def _answer(self, reference: Any) -> str:
        try:
            return str(self._ray.get(reference, timeout=ANSWER_SECONDS))
        except self._ray.exceptions.GetTimeoutError:
            return f"did not answer in {ANSWER_SECONDS:.0f} s; look at it, or take it out of the cluster"
        except self._ray.exceptions.RayTaskError as error:
            return f"cannot run fedleak ({first_line(error.cause)}); install the same version on every node"
        except self._ray.exceptions.RayError:
            return ""


def _start_options(jobs: int) -> dict[str, Any]:
    if os.environ.get("RAY_ADDRESS"):
        return {"runtime_env": {"env_vars": {**ONE_THREAD, "PYTHONPATH": _search_path()}}}
    # Ray listens on every interface whatever it is told, and does what it is asked: so only to who has the token.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ.update(ONE_THREAD)
    return {"num_cpus": jobs, "include_dashboard": False}


def _search_path() -> str:
    """This very fedleak first: a checkout's tasks must not run an installed one."""
    code = str(Path(fedleak.__file__).resolve().parents[1])
    return os.pathsep.join(filter(None, [code, os.environ.get("PYTHONPATH")]))


def _require_reachable(address: str) -> None:
    """Ray waits for ever for a cluster that is not there; a host that nobody answers at is told at once."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # none, or "auto"
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise ConfigError(
            f"RAY_ADDRESS: no Ray cluster answers at {address} ({error}); start it or unset it"
        ) from error


@contextmanager
def _token(root: Path) -> Iterator[Path]:
    """A file that is in this run folder and in no other of the same name."""
    path = root / f".ray-{secrets.token_hex(8)}"
    path.touch()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _unfit(needed: Path, root: Path, fingerprint: str) -> str:
    """In a task: why its node cannot work on a run; empty where it can."""
    if source_fingerprint() != fingerprint:
        return "has other sources of fedleak; install the same version on every node"
    deadline = time.monotonic() + VISIBLE_SECONDS
    while not needed.exists():
        if time.monotonic() > deadline:
            return f"does not see {needed}; choose an --out that all nodes share"
        time.sleep(WAIT_SECONDS)
    return "" if os.access(root, os.W_OK) else f"cannot write {root}; choose an --out that all nodes may write to"


def _run(attempt: Attempt) -> Result:
    """In a task: makes sure that it is the same code and sees the same folder, then does the job.

    A node that the cluster has given up may still be at it: so one at a time, and what it finished is not done again.
    """
    job = attempt.job
    settle(jobs_of.home_of(job))
    name, needed = (
        (job.address, beside(job.folder.recording(job.place), FACTS))
        if isinstance(job, Cell)
        else (address_of(job.key), RunFolder(job.root).experiment)
    )
    reason = _unfit(needed, job.root, attempt.fingerprint)
    if reason:
        raise ConfigError(f"the Ray node {socket.gethostname()} {reason}")
    (locks := job.root / LOCKS).mkdir(exist_ok=True)
    with FileLock(locks / name), chdir(attempt.directory) if attempt.directory.is_dir() else nullcontext():
        return (left_by(job) if attempt.number > 1 else None) or run_job(job)
