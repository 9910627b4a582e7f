"""Splits of a data set: which examples the clients, the test set and the public hold."""

from dataclasses import dataclass
from functools import lru_cache

import torch

from fedleak.data.loader import loaders
from fedleak.errors import DataError
from fedleak.learning.batch import Batch
from fedleak.randomness import generator
from fedleak.tasks import Source, parse_name

FEWEST = 5
"""Examples below which a split would be empty."""


@dataclass(frozen=True)
class Splits:
    """The examples of a data set in three disjoint parts: about 60, 20 and 20 in a hundred."""

    clients: Batch
    """What the clients share out among themselves: private."""
    test: Batch
    """What the model's accuracy is measured on."""
    auxiliary: Batch
    """Public data of the same kind, which the adversary may hold."""


def load(task_name: str) -> Splits:
    """The examples behind a task, read once a process; raises `DataError` where they are missing or unreadable.

    Images are float32 in [0, 1], labels int64. The split is public and always the same, whatever the seed of an
    experiment, so that no run trains on what another tested on.
    """
    source, _ = parse_name(task_name)
    return _splits(source)


@lru_cache(maxsize=4)
def _splits(source: Source) -> Splits:
    everything = loaders.build(source.name, {}).read(source)
    _check(everything, source)
    order = torch.randperm(len(everything), generator=generator("public split", source.name))
    fifth = len(everything) // FEWEST
    test, auxiliary, clients = torch.split(order, [fifth, fifth, len(everything) - 2 * fifth])
    return Splits(everything[clients], everything[test], everything[auxiliary])


def _check(examples: Batch, source: Source) -> None:
    """Raises `DataError` where the examples are not what the source promises."""
    if len(examples) < FEWEST:
        raise DataError(f"{source.name}: expected {FEWEST} examples or more to split, got {len(examples)}")
    if examples.inputs.shape[1:] != source.shape:
        raise DataError(f"{source.name}: expected images {source.shape}, got {tuple(examples.inputs.shape[1:])}")
    if examples.labels.min() < 0 or examples.labels.max() >= source.classes:
        raise DataError(
            f"{source.name}: expected labels from 0 to {source.classes - 1}, "
            f"got {int(examples.labels.min())} to {int(examples.labels.max())}"
        )
    low, high = examples.inputs.aminmax()
    if not (low >= 0 and high <= 1):
        raise DataError(f"{source.name}: expected intensities in [0, 1], got {float(low):.3g} to {float(high):.3g}")
