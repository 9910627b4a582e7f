"""Splits of a data set: which examples the clients, the test set and the public hold."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.data.loader import labels_in_sets, loaders
from fedleak.errors import DataError
from fedleak.learning.batch import Batch
from fedleak.learning.source import Part, Source
from fedleak.learning.space import space_of_source
from fedleak.randomness import generator
from fedleak.tasks import source_of

FEWEST = 5
"""Examples below which a split would be empty."""


@dataclass(frozen=True)
class Splits:
    """The examples of a data set in three disjoint parts: about 60, 20 and 20 in a hundred.

    A loader says who holds what where examples are not independent; elsewhere chance does, and images that are the
    same to the pixel are in one part, so that nobody's private image is public or tested on.
    """

    clients: Batch
    """What the clients share out among themselves: private. In their own order where examples follow one another."""
    test: Batch
    """What the model's accuracy is measured on."""
    auxiliary: Batch
    """Public data of the same kind, which the adversary may hold."""


def load(source: Source | str) -> Splits:
    """The examples of a source, or of a task by its short name, read once a process.

    Raises `DataError` where they are missing or unreadable.

    Images are float32 in [0, 1], labels int64. The split is public and always the same, whatever the seed of an
    experiment, so that no run trains on what another tested on.
    """
    return _splits(source_of(source) if isinstance(source, str) else source)


@lru_cache(maxsize=4)
def _splits(source: Source) -> Splits:
    loader = loaders.build(source.loader or source.name, {})
    everything, parts = loader.read(source), loader.parts(source)
    _check(everything, source)
    everything = replace(everything, labels=everything.labels.long(), given=space_of_source(source))
    order = torch.randperm(len(everything), generator=generator("public split", source.name))
    if parts is None:
        copies = _copies(everything.inputs, order)
        if len(copies) < FEWEST:
            raise DataError(f"{source.name}: expected {FEWEST} different examples or more, got {len(copies)}")
        parts = _by_chance(copies, len(everything))
    _check_parts(parts, source, len(everything))
    # In the order of chance, so that the first examples of a part are a sample of it.
    clients, test, auxiliary = (everything[order[parts[order] == part]] for part in Part)
    if everything.space.consecutive:
        clients = everything[(parts == Part.CLIENTS).nonzero()[:, 0]]
    return Splits(clients, test, auxiliary)


def _copies(inputs: Float[Tensor, "examples *shape"], order: Int[Tensor, " examples"]) -> list[list[int]]:
    """The places of each different image, in the order in which they first come."""
    places: dict[bytes, list[int]] = {}
    for place in order.tolist():
        places.setdefault(blake2b(inputs[place].numpy().tobytes()).digest(), []).append(place)
    return list(places.values())


def _by_chance(copies: Iterable[list[int]], examples: int) -> Int[Tensor, " examples"]:
    """The part of each example: a fifth tests, a fifth is public, and copies of an image stay together.

    The most copied images are placed first, each where most examples are missing. Of images that have equally many
    copies the first in order test and the next are public.
    """
    fifth = examples // FEWEST
    missing = {Part.TEST: fifth, Part.AUXILIARY: fifth, Part.CLIENTS: examples - 2 * fifth}
    parts = torch.empty(examples, dtype=torch.int64)
    for count, same in groupby(sorted(copies, key=len, reverse=True), key=len):
        alike, chosen = list(same), []
        for _ in alike:
            chosen.append(max(missing, key=lambda part: missing[part]))
            missing[chosen[-1]] -= count
        for places, part in zip(alike, sorted(chosen, key=list(missing).index), strict=True):
            parts[places] = part
    return parts


def _check(examples: Batch, source: Source) -> None:
    """Raises `DataError` where the examples are not what the source promises."""
    if len(examples) < FEWEST:
        raise DataError(f"{source.name}: expected {FEWEST} examples or more to split, got {len(examples)}")
    space = space_of_source(source)
    if examples.inputs.shape[1:] != space.shape:
        raise DataError(f"{source.name}: expected {space.words}, got {tuple(examples.inputs.shape[1:])}")
    if source.several_labels:
        labels_in_sets(examples.labels, source.classes, source.name)
    elif examples.labels.dim() != 1 or examples.labels.is_floating_point():
        raise DataError(
            f"{source.name}: expected a class index for each example, got {examples.labels.dtype} of shape "
            f"{tuple(examples.labels.shape)}; say task.several_labels = true where they are rows of zeros and ones"
        )
    elif examples.labels.min() < 0 or examples.labels.max() >= source.classes:
        raise DataError(
            f"{source.name}: expected labels from 0 to {source.classes - 1}, "
            f"got {int(examples.labels.min())} to {int(examples.labels.max())}"
        )
    (low, high), (least, most) = examples.inputs.aminmax(), space.bounds
    if not (low >= least and high <= most):
        raise DataError(
            f"{source.name}: expected values in [{least:g}, {most:g}], got {float(low):.3g} to {float(high):.3g}"
        )


def _check_parts(parts: Int[Tensor, " _"], source: Source, examples: int) -> None:
    """Raises `DataError` where a loader does not say of each example who holds it, or leaves somebody with none."""
    if len(parts) != examples or set(parts.tolist()) != set(Part):
        raise DataError(
            f"{source.name}: expected one of the parts {[*map(int, Part)]} for each of {examples} examples and each "
            f"part held, got {len(parts)} of {sorted(set(parts.tolist()))}"
        )
