"""What the tap in somebody's own server costs: the same Flower app with and without it, in pairs.

    python benchmarks/wiretap.py [pairs]

The app is a common one, Flower's FedAvg over 10 clients in this process, each with a small convolutional network and
images of 32 x 32 that it trains on for an epoch; nobody waits for anybody, so the share of the tap is as large as it
gets. Prints a row for each number of images, and for files in memory (where the system has such a folder) and in the
folder of temporary files (TMPDIR).

All runs on one thread; seconds are of processor time, which other programs on the machine disturb less than the clock.
`tap` is the median over pairs of (tapped / untapped - 1), of which the one and the other run first in turn; `inside` is
the median of the clock's seconds within the tap's own functions over those of the rest of the run. The aim is 5%.
"""

import gc
import itertools
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg
from torch import nn
from torch.nn.functional import cross_entropy

from fedleak.federation.loopback import LoopbackGrid
from fedleak.wiretap import FOLDER, tap
from fedleak.wiretap.recorder import Recorder

CLIENTS, ROUNDS, BATCH = 10, 5, 32
IMAGES = "images"
MEMORY = Path("/dev/shm")
client = ClientApp()


def network() -> nn.Module:
    """LeNet for three colors, 62 thousand parameters."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


@client.train()
def train(message: Message, context: Context) -> Message:
    """An epoch of SGD."""
    model = network()
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    rng = torch.Generator().manual_seed(context.node_id)
    count = int(context.run_config[IMAGES])
    images, labels = torch.rand(count, 3, 32, 32, generator=rng), torch.randint(10, (count,), generator=rng)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for batch, wanted in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        optimizer.zero_grad()
        cross_entropy(model(batch), wanted).backward()
        optimizer.step()
    records = {"arrays": ArrayRecord(model.state_dict()), "metrics": MetricRecord({"num-examples": count})}
    return Message(RecordDict(records), reply_to=message)


class Stopwatch:
    """Adds up the clock's seconds inside functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*given: Any, **more: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*given, **more)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


def seconds(images: int, place: Path | None, tapped: bool) -> tuple[float, float]:
    """Processor seconds of one run, and the share of the clock's seconds that is the tap's."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        os.environ[FOLDER] = f"{folder}/tap" if tapped else ""
        grid = LoopbackGrid(client, CLIENTS, {IMAGES: images}, lambda *_: None)
        tapping.seconds = 0.0
        started, clock = time.process_time(), time.perf_counter()
        strategy = FedAvg(fraction_evaluate=0.0, min_available_nodes=CLIENTS)
        strategy.start(tap(grid), ArrayRecord(network().state_dict()), num_rounds=ROUNDS)
        return time.process_time() - started, tapping.seconds / (time.perf_counter() - clock - tapping.seconds)


tapping = Stopwatch()


def main(pairs: int) -> None:
    """Prints a row for each case."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    Recorder.sent, Recorder.received = tapping.around(Recorder.sent), tapping.around(Recorder.received)
    seconds(BATCH, None, tapped=True)
    gc.collect()
    gc.freeze()
    columns = ("untapped s", "tapped s", "tap", "inside")
    sys.stdout.write(f"{'images':>6}  {'files':<8}{''.join(f'{column:>12}' for column in columns)}   (pairs)\n")
    places = {"memory": MEMORY, "disk": None} if os.access(MEMORY, os.W_OK) else {"disk": None}
    for images, (name, place) in itertools.product((64, 256), places.items()):
        timed = []
        for number in range(pairs):
            first = bool(number % 2)
            one = {tapped: seconds(images, place, tapped) for tapped in (first, not first)}
            timed.append((one[False][0], *one[True]))
        costs = sorted(tapped / plain - 1 for plain, tapped, _ in timed)
        plain, with_tap, inside = (statistics.median(column) for column in zip(*timed, strict=True))
        sys.stdout.write(
            f"{images:>6}  {name:<8}{plain:>12.3f}{with_tap:>12.3f}{statistics.median(costs):>+12.1%}{inside:>+12.1%}"
            f"   ({', '.join(f'{cost:+.0%}' for cost in costs)})\n"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
