"""A network on secret shares by MPyC: a user who shares inputs out, and parties in processes of their own."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor

from fedleak.contracts.private_inference import Cost, PrivateEvaluation
from fedleak.defenses.parts.mpc_party import FRACTION, PRIME
from fedleak.defenses.parts.network_steps import Affine
from fedleak.errors import ConfigError, FedleakError

PARTY = Path(__file__).with_name("mpc_party.py")
SHARE_BYTES = 16
"""Of a number of the field."""
TIMEOUT = 600.0
"""Seconds that all parties together may take for what is asked at once."""
Shares = NDArray[np.object_]


def require_mpyc(defense: str) -> None:
    """Raises `ConfigError` where MPyC is not installed."""
    if find_spec("mpyc") is None:
        raise ConfigError(f'{defense} needs MPyC, which is not installed; pip install "fedleak[multiparty]"')


def threshold_of(parties: int) -> int:
    """So many parties together learn nothing, as MPyC shares: fewer than half of all. Of two that is none."""
    return (parties - 1) // 2


def split(values: NDArray[np.float64], parties: int, threshold: int) -> list[Shares]:
    """Shamir shares of each value in fixed point: a random polynomial of that degree, at 1, 2 and so on."""
    whole = np.array([round(one * 2**FRACTION) for one in values.flatten().tolist()], dtype=object)
    drawn = [np.array([secrets.randbelow(PRIME) for _ in whole], dtype=object) for _ in range(threshold)]
    points = range(1, parties + 1)
    at_points = [sum((c * point ** (k + 1) for k, c in enumerate(drawn)), start=whole) % PRIME for point in points]
    return [one.reshape(values.shape) for one in at_points]


def joined(shares: Sequence[Shares]) -> NDArray[np.float64]:
    """The values behind the shares of the first parties, as many as it takes."""
    points = range(1, len(shares) + 1)
    total: Any = 0
    for own, share in zip(points, shares, strict=True):
        weight = 1
        for other in points:
            if other != own:
                weight = weight * other * pow(other - own, -1, PRIME) % PRIME
        total = total + share * weight
    centered = (total + PRIME // 2) % PRIME - PRIME // 2
    return np.asarray(centered / 2**FRACTION, dtype=np.float64)


class SharedEvaluation(PrivateEvaluation):
    """A user, and parties that are started anew for what is asked at once and end with it."""

    def __init__(
        self,
        maps: Sequence[Affine],
        activation: Literal["square", "relu"],
        parties: int,
        *,
        share_model: bool = True,
        timeout: float = TIMEOUT,
    ) -> None:
        self._activation, self._parties, self._timeout = activation, parties, timeout
        of_model = threshold_of(parties) if share_model else 0  # a polynomial of degree 0: all hold the number itself
        self._maps = [
            [split(one.weight.T, parties, of_model), split(one.bias[None], parties, of_model)] for one in maps
        ]
        self._once = SHARE_BYTES * parties * sum(one.weight.size + one.bias.size for one in maps)

    def scores(self, inputs: Float[Tensor, "asked *shape"]) -> tuple[Float64[Tensor, "asked classes"], Cost]:
        threshold, started = threshold_of(self._parties), time.process_time()
        shared = split(inputs.flatten(1).double().numpy(), self._parties, threshold)
        jobs = [
            {
                "activation": self._activation,
                "inputs": own.tolist(),
                "maps": [[weights[party].tolist(), biases[party].tolist()] for weights, biases in self._maps],
            }
            for party, own in enumerate(shared)
        ]
        before = time.process_time() - started
        answers = together(jobs, self._timeout)
        started = time.process_time()
        once, self._once = self._once, 0  # the same shares each time, which operators keep
        scores = joined([np.array(one["shares"], dtype=object) for one in answers[: threshold + 1]])
        after = time.process_time() - started
        return torch.from_numpy(scores), Cost(
            answers=len(inputs),
            seconds=before + max(one["seconds"] for one in answers) + after,
            uploaded=SHARE_BYTES * sum(one.size for one in shared),
            downloaded=SHARE_BYTES * self._parties * scores.size,
            between=sum(one["sent"] for one in answers),
            once=once,
        )


def together(jobs: Sequence[dict[str, Any]], timeout: float = TIMEOUT) -> list[dict[str, Any]]:
    """What each party says of its job; raises `FedleakError` where one dies or takes too long, and ends the others."""
    places = [f"127.0.0.1:{port}" for port in free_ports(len(jobs))]
    where = [word for place in places for word in ("-P", place)]
    told = {"parent": os.getpid(), "timeout": timeout}
    processes: list[subprocess.Popen[bytes]] = []
    with ExitStack() as started:
        try:
            for number in range(len(jobs)):
                processes.append(started.enter_context(_party(where, number)))
            return _said(processes, [json.dumps({**job, **told}).encode() for job in jobs], timeout)
        finally:
            for process in processes:
                process.kill()


def _party(where: Sequence[str], number: int) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            [sys.executable, "-P", str(PARTY), "--no-log", *where, "-I", str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise FedleakError(
            f"mpc-inference: party {number} could not be started ({error.strerror}); the others were ended"
        ) from error


def _said(
    processes: Sequence["subprocess.Popen[bytes]"], jobs: Sequence[bytes], timeout: float
) -> list[dict[str, Any]]:
    ends = time.monotonic() + timeout
    with ThreadPoolExecutor(len(processes)) as pool:
        waiting = {
            pool.submit(one.communicate, job): n for n, (one, job) in enumerate(zip(processes, jobs, strict=True))
        }
        said: dict[int, dict[str, Any]] = {}
        try:
            while waiting:
                done, _ = wait(waiting, max(0.0, ends - time.monotonic()), FIRST_COMPLETED)
                if not done:
                    raise FedleakError(
                        f"mpc-inference: {len(waiting)} of {len(processes)} parties were not done after {timeout:g} "
                        "seconds; ask less at once or take a smaller network"
                    )
                for one in done:
                    number = waiting.pop(one)
                    said[number] = _answer(number, processes[number], one)
        finally:
            for process in processes:
                process.kill()  # so that nobody waits for what does not come any more
    return [said[number] for number in sorted(said)]


def _answer(number: int, process: "subprocess.Popen[bytes]", told: "Future[tuple[bytes, bytes]]") -> dict[str, Any]:
    answer, complaints = told.result()
    try:
        if process.returncode == 0:
            found: dict[str, Any] = json.loads(answer)
            return found
    except ValueError:  # no JSON: the same as having died
        pass
    lines = complaints.decode(errors="replace").strip().splitlines()
    why = f" ({lines[-1][:200]})" if lines else ""
    raise FedleakError(
        f"mpc-inference: party {number} ended with status {process.returncode} before it had answered{why}; the others "
        "were ended"
    )


def free_ports(count: int) -> list[int]:
    """Ports of this machine's loopback that nobody listens at now."""
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in opened]
    for one in opened:
        one.close()
    return ports
