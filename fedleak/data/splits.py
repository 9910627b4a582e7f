"""Splits of a data set: which examples the clients, the test set and the public hold."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.data.loader import Part, loaders
from fedleak.errors import DataError
from fedleak.learning.batch import Batch
from fedleak.randomness import generator
from fedleak.tasks import Source, parse_name

FEWEST = 5
"""Examples below which a split would be empty."""


@dataclass(frozen=True)
class Splits:
    """The examples of a data set in three disjoint parts: about 60, 20 and 20 in a hundred.

    A loader says who holds what where examples are not independent; elsewhere chance does.
    """

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
    loader = loaders.build(source.name, {})
    everything, parts = loader.read(source), loader.parts(source)
    _check(everything, source)
    order = torch.randperm(len(everything), generator=generator("public split", source.name))
    if parts is None:
        parts = _by_chance(order)
    _check_parts(parts, source, len(everything))
    # In the order of chance, so that the first examples of a part are a sample of it.
    clients, test, auxiliary = (everything[order[parts[order] == part]] for part in Part)
    return Splits(clients, test, auxiliary)


def _by_chance(order: Int[Tensor, " examples"]) -> Int[Tensor, " examples"]:
    """The part of each example: the first fifth of the order tests, the second is public."""
    fifth = len(order) // FEWEST
    parts = torch.full_like(order, Part.CLIENTS)
    parts[order[:fifth]] = Part.TEST
    parts[order[fifth : 2 * fifth]] = Part.AUXILIARY
    return parts


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


def _check_parts(parts: Int[Tensor, " _"], source: Source, examples: int) -> None:
    """Raises `DataError` where a loader does not say of each example who holds it, or leaves somebody with none."""
    if len(parts) != examples or set(parts.tolist()) != set(Part):
        raise DataError(
            f"{source.name}: expected one of the parts {[*map(int, Part)]} for each of {examples} examples and each "
            f"part held, got {len(parts)} of {sorted(set(parts.tolist()))}"
        )
