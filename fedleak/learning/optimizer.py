"""Local optimizer: the steps of SGD, Adam and AdamW as functions that can be differentiated, and their rates.

Clients train by it, and attackers simulate them by it. The formulas are those of `torch.optim`.
"""

import inspect
import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from fedleak.errors import ConfigError, did_you_mean, first_line
from fedleak.learning.facts import LocalTraining
from fedleak.learning.weights import NamedTensors

Rate = float | Tensor
TINY = 1e-36
"""Keeps roots away from zero, where they have no derivative."""


@dataclass
class Optimizer:
    """One round of an optimizer whose state starts empty. Where it has moved the weights to is kept by the caller."""

    training: LocalTraining
    softness: float = 0.0
    """What Adam's epsilon gains, in root mean squares of a tensor: for attackers, as a sign alone has no derivative."""
    step: int = 0
    moments: dict[str, NamedTensors] = field(default_factory=dict)

    def change(self, gradients: NamedTensors, at: NamedTensors, moved: NamedTensors | None, rate: Rate) -> NamedTensors:
        """How far the weights `at` go down in the next step; `moved` is how far they have come since the round began.

        The gradient has FedProx's pull towards where the round began, as the loss has it; then it is clipped, then
        weights decay.
        """
        self.step += 1
        facts = self.training
        if facts.proximal and moved is not None:
            gradients = {name: slope - facts.proximal * moved[name] for name, slope in gradients.items()}
        gradients = clipped(gradients, facts.gradient_clipping)
        decay = facts.weight_decay or 0.0
        if decay and facts.optimizer != "adamw":
            gradients = {name: slope + decay * at[name].to(slope) for name, slope in gradients.items()}
        if facts.optimizer == "sgd":
            return {name: rate * value for name, value in self._momentum(gradients).items()}
        pull = self._adam(gradients)
        if decay and facts.optimizer == "adamw":
            pull = {name: value + decay * at[name] for name, value in pull.items()}
        return {name: rate * value for name, value in pull.items()}

    def _momentum(self, gradients: NamedTensors) -> NamedTensors:
        momentum = self.training.momentum or 0.0
        if not momentum:
            return gradients
        before = self.moments.get("velocity")
        if before is None:
            velocity = gradients
        else:
            fresh = 1.0 - self.training.dampening
            velocity = {name: momentum * before[name] + fresh * slope for name, slope in gradients.items()}
        self.moments["velocity"] = velocity
        if not self.training.nesterov:
            return velocity
        return {name: slope + momentum * velocity[name] for name, slope in gradients.items()}

    def _adam(self, gradients: NamedTensors) -> NamedTensors:
        one, two = self.training.betas
        mean = self._averaged("mean", gradients, one)
        square = self._averaged("square", {name: slope.square() for name, slope in gradients.items()}, two)
        first, second = 1 - one**self.step, 1 - two**self.step
        # Where the root has no derivative it is of no use either: an entry that was always zero stays where it is.
        return {
            name: (mean[name] / first) / ((value / second).clamp_min(TINY).sqrt() + self._epsilon(value / second))
            for name, value in square.items()
        }

    def _epsilon(self, square: Tensor) -> Rate:
        if not self.softness:
            return self.training.epsilon
        return self.training.epsilon + self.softness * square.detach().mean().sqrt()

    def _averaged(self, moment: str, values: NamedTensors, beta: float) -> NamedTensors:
        before = self.moments.get(moment)
        self.moments[moment] = {
            name: (1 - beta) * value if before is None else beta * before[name] + (1 - beta) * value
            for name, value in values.items()
        }
        return self.moments[moment]


def in_place(training: LocalTraining, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The same steps by torch, for whoever does not differentiate them: without a copy of the weights for each.

    Clipping and FedProx's pull are left to the caller.
    """
    decay, momentum = training.weight_decay or 0.0, training.momentum or 0.0
    rate = 1.0 if training.learning_rate is None else training.learning_rate
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=rate,
            momentum=momentum,
            dampening=training.dampening,
            weight_decay=decay,
            nesterov=training.nesterov and momentum > 0,
        )
    kind = torch.optim.Adam if training.optimizer == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, betas=training.betas, eps=training.epsilon, weight_decay=decay)


def clipped(gradients: NamedTensors, norm: float) -> NamedTensors:
    """The gradient scaled down to a Euclidean norm over all tensors, as `clip_grad_norm_` does it; by 0 left alone."""
    if not norm:
        return gradients
    length = torch.stack([value.square().sum() for value in gradients.values()]).sum().clamp_min(TINY).sqrt()
    scale = (norm / (length + 1e-6)).clamp(max=1.0)
    return {name: scale * value for name, value in gradients.items()}


SOFTNESS = 0.05
"""Of an attacker's signs: see `Optimizer.softness`."""


def as_sent(gradients: NamedTensors, at: NamedTensors, training: LocalTraining) -> NamedTensors:
    """What the gradient of one step is in an update, as `Update.as_gradient` reads it; can be differentiated.

    SGD leaves it as it is but for clipping, Adam leaves signs: here soft ones.
    """
    if training.optimizer == "sgd":
        return clipped(gradients, training.gradient_clipping)
    facts = training if training.optimizer == "adam" else replace(training, weight_decay=0.0)
    return Optimizer(facts, SOFTNESS).change(gradients, at, None, 1.0)


def mean_of(gradients: list[NamedTensors]) -> NamedTensors:
    """The mean over the gradients of the batches that are accumulated for one step."""
    if len(gradients) == 1:
        return gradients[0]
    return {name: torch.stack([one[name] for one in gradients]).mean(0) for name in gradients[0]}


def rates(training: LocalTraining, steps: int) -> Iterable[float]:
    """The learning rate of each of so many local steps; raises `ConfigError` for a schedule that torch cannot make.

    Of an unknown rate they are what a rate of 1 would become.
    """
    base = 1.0 if training.learning_rate is None else training.learning_rate
    if not training.schedule:
        return repeat(base, steps)
    return _scheduled(base, training.schedule, training.schedule_options, steps)


@lru_cache(maxsize=32)
def _scheduled(base: float, schedule: str, options: str, steps: int) -> tuple[float, ...]:
    optimizer = torch.optim.SGD([torch.zeros(())], lr=base)
    scheduler, found = schedule_of(schedule, json.loads(options), steps)(optimizer), []
    with warnings.catch_warnings():  # nothing is ever optimized here, and torch warns of that
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(steps):
            found.append(float(optimizer.param_groups[0]["lr"]))
            try:
                scheduler.step()
            except (ArithmeticError, ValueError) as error:
                raise ConfigError(f"federation.schedule_options: {schedule}: {first_line(error)}") from error
    return tuple(found)


LENGTHS = ("T_max", "total_iters", "total_steps")
"""Arguments of schedulers that say how many steps they are for: by default those of a round."""
NOT_BY_STEPS = ("ChainedScheduler", "LambdaLR", "LRScheduler", "MultiplicativeLR", "ReduceLROnPlateau", "SequentialLR")
"""Schedulers that need more than numbers, or look at a loss."""


def schedule_of(name: str, options: dict[str, Any], steps: int) -> Callable[[torch.optim.Optimizer], Any]:
    """What makes a scheduler of `torch.optim.lr_scheduler`; raises `ConfigError` where there is none such."""
    catalogue = torch.optim.lr_scheduler
    known = [key for key, one in vars(catalogue).items() if _is_scheduler(one) and key not in NOT_BY_STEPS]
    if name not in known:
        raise ConfigError(
            f"federation.schedule: torch has no scheduler of local steps called '{name}'{did_you_mean(name, known)}"
        )
    found = getattr(catalogue, name)
    wanted = [key for key in inspect.signature(found).parameters if key not in ("optimizer", "last_epoch")]
    unknown = [key for key in options if key not in wanted]
    if unknown:
        raise ConfigError(
            f"federation.schedule_options: {name} has no option called '{unknown[0]}'{did_you_mean(unknown[0], wanted)}"
        )
    long = {"epochs", "steps_per_epoch"} & set(options)
    own: dict[str, Any] = {key: steps for key in LENGTHS if key in wanted and not long}
    if "cycle_momentum" in wanted:
        own["cycle_momentum"] = False

    def make(optimizer: torch.optim.Optimizer) -> Any:
        try:
            return found(optimizer, **{**own, **options})
        except (ArithmeticError, TypeError, ValueError) as error:
            raise ConfigError(f"federation.schedule_options: {name}: {first_line(error)}") from error

    return make


def _is_scheduler(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, torch.optim.lr_scheduler.LRScheduler)
