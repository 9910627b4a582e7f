"""Facts of a training: what was found, how, and whether the attacker uses it."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fedleak.audit.answers import Answers
from fedleak.audit.examples import examples_behind, examples_reported, first_tensor, passes_of
from fedleak.audit.seen import DONE, LOSSES, Loss, Training
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
    if known.kept:
        yield Fact(
            what="stays with clients",
            found=f"{len(known.kept)} arrays, such as '{known.kept[0]}'",
            how="names that no message has",
            used="as training began, where it began the same with every client; held still",
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
    yield from _besides(training, known)
    for mod in update.mods:
        yield Fact(what="mod", found=mod.name, how="the ClientApp's list", used=mod.says)
    clear = [f"{key} {value:g}" for key, value in update.reported.items()]
    clear += [f"{key} {value}" for key, value in update.texts.items()]
    if clear:
        yield Fact(
            what="in clear beside the update", found=", ".join(clear), how="the reply", used="num-examples alone"
        )


def _besides(training: Training, known: Understanding) -> Iterator[Fact]:
    """What is done to the gradients of losses before a step."""
    losses = [one.loss for one in passes_of(training)]
    weights = sorted({float(one.weight.sum()) for one in losses if one is not None and one.weight is not None})
    if weights and weights != [1.0]:
        found = f"by {_few(tuple(weights[:3]))}{' and others' if len(weights) > 3 else ''}"
        yield Fact(what="loss, scaled", found=found, how="the gradient that came back to it", used=SHIPPED)
    for what, words in DONE.items():
        numbers = {number for step in training.steps for kind, number in step.done if kind == what} - {math.inf}
        if numbers:
            yield Fact(
                what="gradient",
                found=f"{words} {_few(tuple(sorted(numbers)))}",
                how="the function of torch that was called",
                used="no: no attack knows it" if what == "by_value" else SHIPPED,
            )
    if known.pull.strength:
        term = "proximal term" if known.pull.proximal else "penalty"
        yield Fact(
            what=term,
            found=f"{known.pull.strength:g} / 2 of |w{' - w0' if known.pull.proximal else ''}|^2 in the loss",
            how="what each step's gradient has beside that of the loss, entry for entry",
            used=SHIPPED,
        )


def _few(numbers: tuple[float, ...]) -> str:
    """One number where all are alike, and five digits at most."""
    alike = numbers[:1] if len(set(numbers)) == 1 else numbers
    return " ".join(f"{one:.5g}" for one in alike)


def _reported(update: Update) -> str:
    count = examples_reported(update)
    return "" if count is None else f"; {count} reported"


def _tells(key: str, value: Any) -> bool:
    """Whether a number of a group of parameters says something: it is not off."""
    return isinstance(value, int | float | tuple) and value not in (False, 0, 0.0) and key not in ("initial_lr",)


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
