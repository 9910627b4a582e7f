"""Knowledge that an attack takes: truth, loss and training in the terms of a task, or what it would have to know."""

import inspect
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from fedleak.audit.answers import Answers
from fedleak.audit.examples import digest_of, examples_behind, first_tensor, passes_of
from fedleak.audit.facts import told
from fedleak.audit.local_training import multiple_of
from fedleak.audit.seen import LOSSES, Loss, Pass, Training, numbers
from fedleak.audit.troubles import Unclear
from fedleak.audit.understanding import Understanding, Update
from fedleak.learning.batch import Batch

BEYOND = 1e-3
"""How far a pixel may be out of its range: by interpolation."""
# Each function raises `Unclear` with what an attack would have to know.


def truth_of(update: Update, answers: Answers) -> Batch:
    """The examples behind an update as images in [0, 1], and their labels, once each."""
    training, passes = update.training, passes_of(update.training)
    if not passes:
        raise Unclear("the network was never called with gradients on")
    for one in passes:
        inputs = first_tensor(one)
        alone = len(one.arguments) + len(one.keywords) == 1
        if not alone or (one.keywords and _first_name(training) not in one.keywords) or inputs.dim() != 4:
            raise Unclear("the network was not called on one batch of images: other examples are not attacked here")
        if not inputs.is_floating_point():
            raise Unclear(f"the network was given images of {inputs.dtype}, and attacks take floats")
    places = examples_behind(update)
    inputs = torch.stack([first_tensor(passes[place])[row] for place, row in places]).float()
    labels = torch.stack([_labels(passes[place])[row] for place, row in places])
    normalized = normalization_of(training, answers)
    if normalized is not None:
        if not {len(one) for one in normalized} <= {1, inputs.shape[1]}:
            raise Unclear(
                f"the network was given {inputs.shape[1]} channels, and those that are normalized are "
                f"{max(len(one) for one in normalized)}"
            )
        mean, std = (torch.tensor(one).reshape(-1, 1, 1) for one in normalized)
        inputs = inputs * std + mean
    low, high = (float(end) for end in inputs.aminmax())
    if low < -BEYOND or high > 1 + BEYOND:
        raise Unclear(
            f"the network was given values from {low:.3g} to {high:.3g}, and no Normalize of torchvision was seen: a "
            "DataLoader's own processes do not show. That alone is missing: say what images in [0, 1] go through, "
            "normalize = { mean = [...], std = [...] } in FACTS.toml"
        )
    return Batch(inputs.clamp(0, 1), labels)


def _first_name(training: Training) -> str | None:
    """What the network calls its first argument."""
    names = list(inspect.signature(training.network.forward).parameters) if training.network is not None else []
    return names[0] if names else None


def normalization_of(training: Training, answers: Answers) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and standard deviation that images go through, as said or else as seen."""
    seen, said = training.normalized, answers.normalize
    if said is not None:
        return said.mean, said.std
    if len(seen) > 1:
        raise Unclear(
            "several Normalize of torchvision were called, and which one the network's images went through is not "
            "known: say normalize = { mean = [...], std = [...] } in FACTS.toml"
        )
    return seen[0] if seen else None


class Compared:
    """What an attacker may have of an app: what is the same for all clients; else it is made of their data."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._found: dict[str, set[str]] = {}
        self._kept: dict[int, dict[int, str]] = {}
        """Digests of what stays with clients, by round and client."""

    def add(self, update: Update, known: Understanding) -> None:
        """One more update."""
        digests = [digest_of(update.training.start[name]).hex() for name in known.kept]
        self._kept.setdefault(update.round, {})[update.client] = " ".join(digests)
        for what, found in self._of(update).items():
            self._found.setdefault(what, set()).add(found)

    def require(self, update: Update, known: Understanding) -> None:
        """Raises `Unclear` where an attack of an update would take what no server has, or may not have."""
        own = next((what for what, found in self._found.items() if len(found) > 1), None)
        if own is not None:
            raise Unclear(f"the {own} differ from client to client: they are made of data, which no server has")
        if not known.kept or self._answers.kept == "known":
            return
        count = f"'{known.kept[0]}' of the network is not in the message ({len(known.kept)} such arrays)"
        if self._answers.kept == "private":
            raise Unclear(f"{count}, and the server does not have it, as you say")
        beginnings = self._kept[update.round]
        if len(set(beginnings.values())) > 1:
            raise Unclear(f"{count}, and differs from client to client: it is made of data, which no server has")
        if len(beginnings) < 2:
            raise Unclear(
                f'{count}, and no second client was seen whose is the same: say kept = "known" in FACTS.toml if the '
                'server has it as training begins, from the app, or else kept = "private"'
            )

    def _of(self, update: Update) -> dict[str, str]:
        losses = [one.loss for one in passes_of(update.training) if one.loss is not None]
        weights = {str(numbers(one.options["weight"])) for one in losses if one.options.get("weight") is not None}
        found = {"weights of classes": " ".join(sorted(weights))}
        with suppress(Unclear):  # said where it is attacked
            found["scales of the loss"] = " ".join(sorted({f"{multiple_of(one):.4g}" for one in losses}))
        return found if self._answers.normalize else {**found, "normalization": str(update.training.normalized)}


def _labels(one: Pass) -> Tensor:
    if one.loss is None:
        raise Unclear("no loss was seen to be given labels: which labels the images have is not known")
    target = one.loss.target
    if target.dim() == 1 and not target.is_floating_point():
        return target.long()
    if (
        target.is_floating_point()
        and target.numel() == len(first_tensor(one))
        and bool(((target == 0) | (target == 1)).all())
    ):
        return target.flatten().long()
    raise Unclear(
        f"expected a class index for each image, and the loss was given {tuple(target.shape)} of {target.dtype}"
    )


def loss_of(training: Training, answers: Answers) -> tuple[str, dict[str, Any]]:
    """The loss by its name in a task, and its options."""
    if answers.loss is not None:
        return answers.loss, {}
    loss = passes_of(training)[0].loss
    assert loss is not None
    if any(len([one for one in made.losses if one.weight is not None]) != 1 for made in passes_of(training)):
        raise Unclear("several losses were added up, and attacks know one")
    options = {key: value for key, value in loss.options.items() if told(key, value)}
    kinds = {_kind(one.loss) for one in passes_of(training) if one.loss is not None}
    if len(kinds) > 1:
        raise Unclear("several losses were used in turn, or one with options that change")
    known: dict[str, Any] = {}
    if options.pop("reduction", "mean") != "mean" and "weight" in options:
        raise Unclear("the loss has weights of classes, and is no mean over a batch")
    if "weight" in options:
        known["class_weights"] = options.pop("weight").tolist()
    if "label_smoothing" in options:
        known["label_smoothing"] = options.pop("label_smoothing")
    if options:
        raise Unclear(f"the loss has '{next(iter(options))}', which no attack knows here")
    name = {
        ("cross_entropy", ()): "cross-entropy",
        ("nll_loss", ("log_softmax",)): "cross-entropy",
        ("binary_cross_entropy_with_logits", ()): "binary-cross-entropy",
        ("binary_cross_entropy_with_logits", ("squeeze",)): "binary-cross-entropy",
    }.get((loss.function, loss.path))
    if name is None:
        steps = " of ".join(reversed(loss.path))
        raise Unclear(f"the loss {LOSSES[loss.function]}{f' of {steps}' if steps else ''} is out of scope of attacks")
    return name, known


def _kind(loss: Loss) -> tuple[str, ...]:
    options = {key: numbers(value) if isinstance(value, Tensor) else value for key, value in loss.options.items()}
    return loss.function, *loss.path, str(sorted(options.items(), key=str))
