"""Facts of a training: what was found, how, and whether the attacker uses it."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fedleak.audit.answers import Answers
from fedleak.audit.seen import LOSSES, Loss, Pass, Training
from fedleak.audit.understanding import Understanding, Update

SHIPPED = "yes, from the app"
UNREPORTED = "yes, though no number is reported: taken as if the server knew it from elsewhere"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of the table."""

    what: str
    found: str
    how: str
    used: str
    """Whether the attacker uses it, and why it may."""


def facts_of(update: Update, known: Understanding, answers: Answers) -> list[Fact]:
    """All that was found about one update, and what was said of it."""
    said = [
        Fact(what=key, found=value, how="FACTS.toml", used="yes, as you say") for key, value in answers.said.items()
    ]
    return [*_facts(update, known), *said]


def _facts(update: Update, known: Understanding) -> Iterator[Fact]:
    training = update.training
    if training.network is None:
        return
    network = training.network
    inner = network._modules.get("_module") or network._modules.get("_orig_mod") or network
    count = sum(value.numel() for value in network.parameters())
    name = f"{type(inner).__module__}:{type(inner).__name__}, {count:,} parameters"
    yield Fact(what="network", found=name, how="the outermost module called with gradients on", used=SHIPPED)
    if known.wire is not None:
        how = "by order and shape" if known.wire.by_order else "by name"
        yield Fact(
            what="arrays on the wire",
            found=f"{len(update.sent)} of the network's {len(training.start)}",
            how=how,
            used="yes, it has the messages",
        )
    passes = passes_of(training)
    losses = Counter(_loss_words(one.loss) for one in passes)
    yield Fact(
        what="loss",
        found=", ".join(losses) or "none seen",
        how="the function of torch.nn.functional that was called",
        used=SHIPPED,
    )
    if training.steps:
        numbers = {key: value for key, value in training.steps[0].groups[0].items() if _tells(key, value)}
        words = ", ".join(
            f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in numbers.items()
        )
        yield Fact(
            what="optimizer",
            found=f"{training.optimizer.rpartition(':')[2]}{f' ({words})' if words else ''}",
            how="the hook of its steps",
            used=SHIPPED,
        )
    sizes = Counter(len(first_tensor(one)) for one in passes)
    if training.private is not None:
        own = training.private
        yield Fact(
            what="DP-SGD",
            found=f"norm {own.max_norm:g}, noise multiplier {own.noise_multiplier:g}, over {own.batch_size:g}",
            how="Opacus' optimizer around it",
            used=SHIPPED,
        )
    yield Fact(
        what="steps",
        found=f"{len(training.steps)} over batches of {', '.join(str(size) for size in sorted(sizes))}",
        how="the same, and the calls between them",
        used="yes, from the app and the number reported" if examples_reported(update) else UNREPORTED,
    )
    yield Fact(
        what="examples",
        found=f"{len(examples_behind(update))} different ones" + _reported(update),
        how="inputs of these calls",
        used="their number, as it is reported" if examples_reported(update) else UNREPORTED,
    )
    modes = {mode for one in passes for mode in one.modes}
    words = {frozenset({True}): "train", frozenset({False}): "eval"}.get(frozenset(modes), "train and eval, by module")
    yield Fact(what="mode", found=words, how="at each call", used=SHIPPED)
    for mean, std in training.normalized:
        yield Fact(
            what="normalization",
            found=f"mean {_few(mean)}, std {_few(std)}",
            how="torchvision's Normalize, as it was called",
            used=SHIPPED if len(training.normalized) == 1 else "no: there are several",
        )
    if training.transforms:
        yield Fact(
            what="transforms", found=", ".join(training.transforms), how="modules called before the network", used="no"
        )
    if known.clipping:
        yield Fact(
            what="gradient clipping",
            found=f"norm {known.clipping:g}",
            how="the replay holds with it alone",
            used=SHIPPED,
        )
    for mod in update.mods:
        yield Fact(what="mod", found=mod.name, how="the ClientApp's list", used=mod.says)
    clear = [f"{key} {value:g}" for key, value in update.reported.items()]
    clear += [f"{key} {value}" for key, value in update.texts.items()]
    if clear:
        yield Fact(
            what="in clear beside the update", found=", ".join(clear), how="the reply", used="num-examples alone"
        )


def _few(numbers: tuple[float, ...]) -> str:
    """One number where all are alike, and five digits at most."""
    alike = numbers[:1] if len(set(numbers)) == 1 else numbers
    return " ".join(f"{one:.5g}" for one in alike)


def _reported(update: Update) -> str:
    count = examples_reported(update)
    return "" if count is None else f"; {count} reported"


def examples_reported(update: Update) -> int | None:
    """How many examples the client says it trained on."""
    for key in ("num-examples", "num_examples"):
        if key in update.reported:
            return int(update.reported[key])
    return None


def _tells(key: str, value: Any) -> bool:
    """Whether a number of a group of parameters says something: it is not off."""
    return isinstance(value, int | float | tuple) and value not in (False, 0, 0.0) and key not in ("initial_lr",)


def passes_of(training: Training) -> list[Pass]:
    """The passes that steps used, in order; all where no step was seen."""
    return [one for step in training.steps for one in step.passes] or training.left


def first_tensor(one: Pass) -> Tensor:
    """What the network was called on."""
    values = (*one.arguments, *one.keywords.values())
    return next((value for value in values if isinstance(value, Tensor)), torch.empty(0))


def distinct(passes: list[Pass]) -> list[tuple[int, int]]:
    """Where each different example first comes: pass and row."""
    found: dict[bytes, tuple[int, int]] = {}
    for place, one in enumerate(passes):
        for row, value in enumerate(first_tensor(one)):
            found.setdefault(_digest(value), (place, row))
    return list(found.values())


def _digest(value: Tensor) -> bytes:
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
    return tuple(sorted(_digest(row) for row in rows))


def _loss_words(loss: Loss | None) -> str:
    if loss is None:
        return "none of torch.nn.functional"
    options = {key: value for key, value in loss.options.items() if told(key, value)}
    words = ", ".join(f"{key} {'given' if isinstance(value, Tensor) else value}" for key, value in options.items())
    return LOSSES[loss.function] + (f" ({words})" if words else "")


def told(key: str, value: Any) -> bool:
    """Whether an option of a loss is another than the usual one."""
    usual = {"reduction": "mean", "ignore_index": -100, "label_smoothing": 0.0}
    return value is not None and not (key in usual and value == usual[key])
