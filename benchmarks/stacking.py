"""Shadow federations all at once and one by one: processor seconds on one thread, as a Markdown table.

    python benchmarks/stacking.py [--rounds N] [--repeats N] [--tasks NAME ...] [--federations N ...]

The federations are those of the preset `members.toml`: 4 clients with 60 records, batches of 16, rounds of two epochs.
One by one they are trained by what clients train with, four of them, and the time is multiplied. Each repeat measures
both in turn, so that what else the machine does hits both; the ratio is the median over repeats, with the range.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from fedleak.data.splits import load
from fedleak.learning.facts import LocalTraining
from fedleak.learning.stacked_federations import StackedFederations
from fedleak.learning.training import train_locally
from fedleak.learning.weights import Weights
from fedleak.tasks import task_of

TRAINING = LocalTraining(batch_size=16, batches=None, epochs=2, learning_rate=0.05, momentum=0.9)
CLIENTS, RECORDS, CANDIDATES = 4, 60, 740
ALONE = 4
"""Federations that are trained one by one."""


def asked(task: str, federations: int, rounds: int) -> StackedFederations:
    """So many federations on some of the candidates each."""
    records = load(task).clients[torch.arange(CANDIDATES)]
    return StackedFederations.drawn(
        task_of(task),
        records,
        TRAINING,
        federations=federations,
        clients=CLIENTS,
        examples=CLIENTS * RECORDS,
        rounds=rounds,
    )


def one_by_one(some: StackedFederations) -> None:
    """The first few, each client after the other."""
    start = replace(some, rounds=0, shares=some.shares[:ALONE]).trained()
    training = replace(TRAINING, batches=-(-RECORDS // 16))
    for place in range(ALONE):
        weights = Weights({name: value[place] for name, value in start.items()}, {})
        for round in range(some.rounds):
            after = [
                train_locally(some.task, weights, some.records[own], training, (place, round)).parameters
                for own in some.shares[place]
            ]
            weights = Weights({name: torch.stack([one[name] for one in after]).mean(0) for name in after[0]}, {})


def seconds(what: Callable[[], object]) -> float:
    before = time.process_time()
    what()
    return time.process_time() - before


def measured(task: str, federations: int, rounds: int, repeats: int) -> str:
    """A row of the table."""
    some, warm = asked(task, federations, rounds), asked(task, ALONE, 1)
    warm.trained()
    one_by_one(warm)
    found = []
    for _ in range(repeats):
        stacked = seconds(some.trained)
        found.append((stacked, seconds(partial(one_by_one, some)) * federations / ALONE))
    ours, theirs = (statistics.median(column) for column in zip(*found, strict=True))
    ratios = [stacked / alone for stacked, alone in found]
    span = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
    return f"| {task} | {federations} | {rounds} | {ours:.2f} | {theirs:.2f} | {span} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=["digits-mlp", "digits-convnet"])
    parser.add_argument("--federations", nargs="+", type=int, default=[8, 64])
    options = parser.parse_args()
    torch.set_num_threads(1)
    head = "| task | federations | rounds | all at once, s | one by one, s | ratio [least, most] |"
    rows = [head, "|---|---|---|---|---|---|"]
    rows += [
        measured(task, federations, options.rounds, options.repeats)
        for task in options.tasks
        for federations in options.federations
    ]
    print("\n".join(rows))  # noqa: T201


if __name__ == "__main__":
    main()
