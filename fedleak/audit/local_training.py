"""Local training that was seen, in the terms of attacks: its batches, optimizer and schedule, how losses are scaled."""

import inspect
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from torch.optim import lr_scheduler

from fedleak.audit.answers import Answers
from fedleak.audit.examples import epochs_of, first_tensor, passes_of
from fedleak.audit.gradients import Pull
from fedleak.audit.seen import Loss, StepSeen, Training
from fedleak.audit.troubles import Unclear
from fedleak.audit.understanding import Update
from fedleak.errors import FedleakError
from fedleak.learning.facts import LocalTraining
from fedleak.learning.optimizer import rates

OPTIMIZERS = {"SGD": "sgd", "Adam": "adam", "AdamW": "adamw"}
ALIKE = 1e-5
"""How far numbers of one kind may be apart by rounding, of their size."""


def training_of(update: Update, pull: Pull, answers: Answers) -> LocalTraining:
    """The facts of local training that attacks simulate; raises `Unclear` with what they would have to know.

    A loss of c times a mean is that mean at another learning rate, decay and so on.
    """
    training = update.training
    if answers.training is not None:
        return answers.training.training()
    name = training.optimizer.rpartition(":")[2]
    if name not in OPTIMIZERS or not training.optimizer.startswith("torch.optim"):
        raise Unclear(f"the optimizer {training.optimizer} is out of scope of attacks; SGD, Adam and AdamW are in it")
    numbers = training.steps[0].groups[0]
    groups = [(step.groups[0]["lr"], group) for step in training.steps for group in step.groups]
    if any(_numbers(group) != _numbers(numbers) or group["lr"] != rate for rate, group in groups):
        raise Unclear("the optimizer's numbers differ between steps or groups of parameters")
    odd = next((key for key in ("amsgrad", "maximize") if numbers.get(key)), None)
    if odd is not None:
        raise Unclear(f"the optimizer has '{odd}', which no attack knows here")
    if numbers.get("decoupled_weight_decay"):
        name = "AdamW"
    passes = passes_of(training)
    modes = {mode for one in passes for mode in one.modes}
    if len(modes) > 1:
        raise Unclear("modules are in both modes, train and eval")
    epochs = epochs_of(update)
    facts = LocalTraining(
        batch_size=_batch_size(training, [len(first_tensor(one)) for one in passes[: len(passes) // epochs]]),
        batches=-(-len(passes) // epochs),
        epochs=epochs,
        learning_rate=float(numbers["lr"]),
        momentum=float(numbers.get("momentum", 0.0)),
        weight_decay=float(numbers.get("weight_decay", 0.0)),
        mode="train" if modes == {True} else "eval",
        optimizer=OPTIMIZERS[name],  # type: ignore[arg-type]
        nesterov=bool(numbers.get("nesterov", False)),
        dampening=float(numbers.get("dampening", 0.0)),
        betas=tuple(numbers.get("betas", (0.9, 0.999))),
        epsilon=float(numbers.get("eps", 1e-8)),
        gradient_clipping=clipping_of(training),
        accumulation=_accumulated(training),
    )
    if facts.steps != len(training.steps):
        raise Unclear("steps add batches up in a way that no attack knows: not always as many of an epoch")
    scale = scale_of(training)
    return _scheduled(training, _pulled(_scaled(facts, scale), pull, scale))


def clipping_of(training: Training) -> float:
    """The norm that each step's gradient was clipped to; 0: it was not."""
    done = [[number for what, number in step.done if what == "clipping"] for step in training.steps]
    if any(what == "by_value" for step in training.steps for what, _ in step.done):
        raise Unclear("gradients are clipped by value, which no attack knows here")
    norms = {min(one, default=math.inf) for one in done}
    if len(norms) > 1:
        raise Unclear("gradients are clipped to norms that change")
    norm = norms.pop()
    return norm if math.isfinite(norm) else 0.0


def scale_of(training: Training) -> float:
    """What a step's loss is a multiple of: c of c times the mean over all its batches."""
    scales = [
        [_unscaled(step) * multiple_of(one.loss) for one in step.passes if one.gradients and one.loss is not None]
        for step in training.steps
    ]
    flat = [one for step in scales for one in step]
    if not flat or any(abs(one - flat[0]) > ALIKE * abs(flat[0]) for one in flat):
        raise Unclear("the loss is scaled by numbers that change, from batch to batch")
    if training.private is None:
        return len(scales[0]) * flat[0]
    if flat[0] != 1:
        raise Unclear("the loss is scaled before Opacus clips it")
    return 1.0


def multiple_of(loss: Loss) -> float:
    """What of the mean over a batch it was that was trained on."""
    assert loss.weight is not None
    reduction = loss.options.get("reduction", "mean")
    low, high = (float(end) for end in loss.weight.aminmax())
    if abs(high - low) > ALIKE * abs(high):
        raise Unclear("examples of a batch are weighted each by a number of its own")
    return high * (1 if reduction == "mean" else loss.target.numel())


def _unscaled(step: StepSeen) -> float:
    return math.prod((number for what, number in step.done if what == "unscaled"), start=1.0)


def _accumulated(training: Training) -> int:
    return max(sum(bool(one.gradients) for one in step.passes) for step in training.steps)


def _scaled(facts: LocalTraining, scale: float) -> LocalTraining:
    """The training by a mean that does the same as one by a multiple of it."""
    rate, decay = facts.learning_rate or 0.0, facts.weight_decay or 0.0
    if scale == 1:
        return facts
    facts = replace(facts, gradient_clipping=facts.gradient_clipping / scale)
    if facts.optimizer != "adamw":
        facts = replace(facts, weight_decay=decay / scale)
    if facts.optimizer == "sgd":
        return replace(facts, learning_rate=rate * scale)
    return replace(facts, epsilon=facts.epsilon / scale)


def _pulled(facts: LocalTraining, pull: Pull, scale: float) -> LocalTraining:
    if not pull.strength:
        return facts
    if pull.proximal:
        return replace(facts, proximal=pull.strength / scale)
    if facts.optimizer == "adamw" or facts.gradient_clipping:
        raise Unclear("the loss has a penalty on the weights, which no attack knows beside this optimizer or clipping")
    return replace(facts, weight_decay=(facts.weight_decay or 0.0) + pull.strength / scale)


def _scheduled(training: Training, facts: LocalTraining) -> LocalTraining:
    """With the schedule that makes the learning rates that were seen; raises `Unclear` where none of torch's does."""
    seen = [float(step.groups[0]["lr"]) for step in training.steps]
    if len(set(seen)) == 1:
        return facts
    ratio = (facts.learning_rate or 0.0) / seen[0] if seen[0] else 1.0
    for found in _schedules(training, facts, ratio):
        with suppress(FedleakError, TypeError, ValueError):
            made = list(rates(found, len(seen)))
            if all(abs(one - ratio * rate) <= ALIKE * abs(one) for one, rate in zip(made, seen, strict=True)):
                return found
    raise Unclear("the learning rate changes from step to step, by no scheduler of torch that attacks know")


def _schedules(training: Training, facts: LocalTraining, ratio: float) -> Iterator[LocalTraining]:
    """Schedules by torch's classes that refer to the optimizer, with the numbers that each was made with."""
    for name, own in training.schedulers:
        wanted = set(inspect.signature(getattr(lr_scheduler, name, object)).parameters)
        options = {key: value for key, value in own.items() if key in wanted}
        options.pop("last_epoch", None)
        first = float(next(iter(own.get("base_lrs", ())), 0.0))
        yield replace(
            facts,
            learning_rate=first * ratio or facts.learning_rate,
            schedule=name,
            schedule_options=json.dumps(options),
        )


def _batch_size(training: Training, sizes: list[int]) -> int:
    """The size of an epoch's batches, of which the last may be smaller; that of Opacus' is an expected one."""
    if training.private is not None:
        return max(round(training.private.batch_size), 1)
    if set(sizes[:-1]) - {sizes[0]} or sizes[-1] > sizes[0]:
        raise Unclear(f"batches have sizes that no server knows in advance: {', '.join(map(str, sizes))}")
    return sizes[0]


def _numbers(group: dict[str, Any]) -> dict[str, Any]:
    """Of a group of parameters, what is the same in all steps where the learning rate alone is scheduled."""
    without = ("params", "lr", "initial_lr", "foreach", "fused")
    return {key: value for key, value in group.items() if key not in without}
