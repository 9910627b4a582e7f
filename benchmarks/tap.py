"""What the tap costs: the same federation with and without it, in pairs, less the time of writing files.

    python benchmarks/tap.py [repeats]

Prints a row for each task under an honest server, and under one that sends clients different models. Seconds are of
processor time, which other programs on the machine disturb less than the clock; all runs in this process, on one
thread, in a folder in memory where the system has one (set TMPDIR for another).
`tap` is the median over the pairs of (tapped - writing) / untapped - 1, where writing is that of recordings and of what
clients put into the vault; `inside` is the median of the seconds that the tap itself takes, less writing recordings,
over untapped; the aim is 5%.
"""

import gc
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fedleak.clients import client
from fedleak.federation.engine import run_federation
from fedleak.federation.plan import FederationPlan
from fedleak.server import recorder
from fedleak.settings.base import parse_settings

CASES: dict[str, dict[str, Any]] = {
    "digits-mlp": {"clients": 10, "rounds": 10, "batch_size": 8, "batches": 4},
    "mnist-lenet": {"clients": 4, "rounds": 5, "batch_size": 16, "batches": 4},
    "photos-convnet": {"clients": 4, "rounds": 3, "batch_size": 8, "batches": 4},
}


MEMORY = Path("/dev/shm")
FOLDER = None if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK) else MEMORY
"""A disk's moods are no cost of the tap."""


class Stopwatch:
    """Adds up the processor time inside functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*arguments: Any) -> Any:
            started = time.process_time()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.process_time() - started

        return timed


writing, deposits, tapping = Stopwatch(), Stopwatch(), Stopwatch()


SERVERS: dict[str, dict[str, Any]] = {
    "honest": {},
    "inconsistency": {"server": {"name": "inconsistency", "chain": [{"use": "inconsistency"}]}},
}
"""Beside the honest one the worst for a tap: clients are sent different models, each of which it has to read."""


def seconds(task: str, case: dict[str, Any], tapped: bool) -> tuple[float, float, float]:
    """Of one federation: its seconds but the vault's, those of writing recordings, of the tap (writing included)."""
    writing.seconds = deposits.seconds = tapping.seconds = 0.0
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        tree = {
            "task": task,
            "recordings": f"{folder}/r",
            "vault": f"{folder}/t",
            "records": ["updates"] if tapped else [],
        }
        plan = parse_settings(FederationPlan, {**tree, **case})
        started = time.process_time()
        run_federation(plan)
        return time.process_time() - started - deposits.seconds, writing.seconds, tapping.seconds


def pair(task: str, case: dict[str, Any], first: bool) -> tuple[float, float, float, float]:
    """Untapped, tapped, writing and tap seconds of two runs; `first` says whether the tapped one goes first."""
    timed = {tapped: seconds(task, case, tapped) for tapped in (first, not first)}
    return timed[False][0], *timed[True]


def main(repeats: int) -> None:
    """Runs every case and prints its row."""
    torch.set_num_threads(1)
    recorder.write_recording = writing.around(recorder.write_recording)
    client.deposit, client.held_by = deposits.around(client.deposit), deposits.around(client.held_by)
    for name in ("heard", "reply", "weights"):
        setattr(recorder.Recorder, name, tapping.around(getattr(recorder.Recorder, name)))
    columns = ("untapped s", "tapped s", "writing s", "tap", "inside")
    sys.stdout.write(f"{'task':<16}{'server':<16}{''.join(f'{column:>12}' for column in columns)}   (pairs)\n")
    for (task, federation), (server, more) in itertools.product(CASES.items(), SERVERS.items()):
        case = {"federation": federation, **more}
        if server != "honest" and "lenet" in task:
            continue  # it has no ReLU to kill
        pair(task, case, first=True)
        # What is loaded by now stays: or else a full collection, in whichever run it falls, walks through all of torch.
        gc.collect()
        gc.freeze()
        pairs = [pair(task, case, first=bool(i % 2)) for i in range(repeats)]
        costs = [(tapped - written) / plain - 1 for plain, tapped, written, _ in pairs]
        inside = statistics.median((tap - written) / plain for plain, _, written, tap in pairs)
        plain, tapped, written, _ = (statistics.median(column) for column in zip(*pairs, strict=True))
        sys.stdout.write(
            f"{task:<16}{server:<16}{plain:>12.3f}{tapped:>12.3f}{written:>12.3f}{statistics.median(costs):>+12.1%}{inside:>+12.1%}"
            f"   ({', '.join(f'{cost:+.0%}' for cost in sorted(costs))})\n"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
