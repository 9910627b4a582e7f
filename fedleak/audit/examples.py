"""Examples behind an update: the passes that were trained on, which examples differ, and how often they went by."""

import hashlib

import torch
from torch import Tensor

from fedleak.audit.seen import Pass, Training
from fedleak.audit.understanding import Update


def examples_reported(update: Update) -> int | None:
    """How many examples the client says it trained on."""
    for key in ("num-examples", "num_examples"):
        if key in update.reported:
            return int(update.reported[key])
    return None


def passes_of(training: Training) -> list[Pass]:
    """The passes that steps used, in order; all where no step was seen."""
    return [one for step in training.steps for one in step.passes if one.gradients] or training.left


def first_tensor(one: Pass) -> Tensor:
    """What the network was called on."""
    values = (*one.arguments, *one.keywords.values())
    return next((value for value in values if isinstance(value, Tensor)), torch.empty(0))


def distinct(passes: list[Pass]) -> list[tuple[int, int]]:
    """Where each different example first comes: pass and row."""
    found: dict[bytes, tuple[int, int]] = {}
    for place, one in enumerate(passes):
        for row, value in enumerate(first_tensor(one)):
            found.setdefault(digest_of(value), (place, row))
    return list(found.values())


def digest_of(value: Tensor) -> bytes:
    """Of the bytes of a tensor of any type."""
    raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.blake2b(raw.numpy(force=True).tobytes(), digest_size=16).digest()


def examples_behind(update: Update) -> list[tuple[int, int]]:
    """Where the examples behind an update first come: pass and row.

    An augmented example is another in each epoch: where epochs are known by what is reported, those of the first.
    """
    passes = passes_of(update.training)
    return distinct(passes[: len(passes) // (_epochs_reported(update) or 1)])


def epochs_of(update: Update) -> int:
    """How many times over the client went through its examples: by the number reported, else until one comes again."""
    passes = passes_of(update.training)
    reported = _epochs_reported(update)
    if reported:
        return reported
    for epochs in range(1, len(passes) + 1):
        parts = _parts(passes, epochs)
        if parts and all(len(distinct(part)) == sum(_sizes(part)) for part in parts):
            return epochs
    return 1


def _epochs_reported(update: Update) -> int:
    """How often as many examples as are reported went by, if with the same labels each time; else 0.

    Clients report other numbers too, that of their batches for one.
    """
    passes, count = passes_of(update.training), examples_reported(update)
    seen = sum(_sizes(passes))
    if not count or not seen or seen % count:
        return 0
    parts = _parts(passes, seen // count)
    return seen // count if parts and len({_labels_in(part) for part in parts}) == 1 else 0


def _parts(passes: list[Pass], count: int) -> list[list[Pass]]:
    """As many parts of alike batches; empty where there are no such."""
    if len(passes) % count:
        return []
    each = len(passes) // count
    parts = [passes[start : start + each] for start in range(0, len(passes), each)]
    return parts if all(_sizes(part) == _sizes(parts[0]) for part in parts) else []


def _sizes(passes: list[Pass]) -> list[int]:
    return [len(first_tensor(one)) for one in passes]


def _labels_in(passes: list[Pass]) -> tuple[bytes, ...]:
    """All labels of some batches, in an order of their own."""
    rows = [row for one in passes if one.loss is not None for row in one.loss.target]
    return tuple(sorted(digest_of(row) for row in rows))
