"""Ray workers: jobs on this machine, or on the cluster that `RAY_ADDRESS` names; all nodes need the run folder."""

import importlib.util
import logging
import os
import secrets
import socket
from pathlib import Path
from typing import Any

import fedleak
from fedleak.campaign.workers import Advance, Finished, Job, Result, Workers, died, lost, run_job
from fedleak.errors import ConfigError, FedleakError, sentence
from fedleak.io.fingerprint import source_fingerprint

WAIT_SECONDS = 0.2
CONNECT_SECONDS = 5.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class RayWorkers(Workers):
    """One task a job, one core a task. Ray is started for the run, or joined where `RAY_ADDRESS` says so."""

    def __init__(self, ray: Any, cores: int) -> None:
        self._ray = ray
        self.capacity = 2 * max(1, cores)
        self._task = ray.remote(num_cpus=1, max_retries=0)(_run)
        self._running: dict[Any, Job] = {}

    @classmethod
    def started(cls, jobs: int) -> "RayWorkers":
        """Starts or joins Ray; raises `ConfigError` where it is not installed or nobody answers."""
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
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return cls(ray, int(resources.get("CPU", 1)))

    def submit(self, job: Job) -> None:
        self._running[self._task.remote(job, source_fingerprint())] = job

    def next(self, advance: Advance) -> Finished:
        while True:
            over, _ = self._ray.wait(list(self._running), num_returns=1, timeout=WAIT_SECONDS)
            if over:
                return self._finished(over[0])
            advance(0.0, 0.0)

    def close(self, *, kill: bool) -> None:
        if kill:
            for reference in self._running:
                self._ray.cancel(reference, force=True)
        self._ray.shutdown()

    def _finished(self, reference: Any) -> Finished:
        job = self._running.pop(reference)
        try:
            return Finished(job, self._ray.get(reference))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, FedleakError) else error from None
        except self._ray.exceptions.RayError as error:
            return lost(job, died(type(error).__name__))


def _start_options(jobs: int) -> dict[str, Any]:
    environment = {"env_vars": {**ONE_THREAD, "PYTHONPATH": _search_path()}}
    if os.environ.get("RAY_ADDRESS"):
        return {"runtime_env": environment}
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


def _run(job: Job, fingerprint: str) -> Result:
    """In a task: makes sure that it is the same code and sees the same folder, then does the job."""
    here = socket.gethostname()
    if source_fingerprint() != fingerprint:
        raise ConfigError(f"the Ray node {here} has other sources of fedleak; install the same version on every node")
    if not (job.root / "experiment.toml").exists():
        raise ConfigError(f"the Ray node {here} does not see {job.root}; choose an --out that all nodes share")
    return run_job(job)
