"""Local training of a client: its facts, and the training itself (verification and attacks replay it)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.errors import NonFiniteError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator, seeded

Mode = Literal["train", "eval"]


@dataclass(frozen=True, kw_only=True)
class LocalTraining:
    """One round of local SGD. In an `Observation` a field may be None: unknown to the adversary.

    `batches` batches of `batch_size` examples, `epochs` times over: FedSGD is one batch, one epoch.
    """

    batch_size: int | None = 1
    batches: int | None = 1
    epochs: int | None = 1
    learning_rate: float | None = 0.1
    momentum: float | None = 0.0
    weight_decay: float | None = 0.0
    mode: Mode | None = "train"

    @property
    def steps(self) -> int | None:
        """Number of optimiser steps, None where unknown."""
        return None if self.batches is None or self.epochs is None else self.batches * self.epochs

    @property
    def effective_steps(self) -> float | None:
        """How many times a constant gradient ends up in the sum of all steps, None where unknown.

        `Σ_t (1 - mᵗ) / (1 - m)` over the steps t, for momentum m; without momentum the number of steps.
        """
        momentum = self.momentum or 0.0
        if self.steps is None:
            return None
        if momentum == 0.0:
            return float(self.steps)
        if momentum == 1.0:
            return self.steps * (self.steps + 1) / 2
        return sum((1 - momentum**step) / (1 - momentum) for step in range(1, self.steps + 1))

    def unknown(self) -> tuple[str, ...]:
        """Names of the fields that are unknown."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is None)

    def hiding(self, names: tuple[str, ...]) -> "LocalTraining":
        """The same facts with some of them unknown."""
        return replace(self, **dict.fromkeys(names))

    def known_or(self, other: "LocalTraining") -> "LocalTraining":
        """These facts, with what is unknown here taken from `other`."""
        return replace(
            other,
            **{f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None},
        )


@dataclass(frozen=True, kw_only=True)
class Step:
    """One local step: the weights it starts from, and the examples it is about."""

    task: Task
    weights: Weights
    """BatchNorm writes to these buffers in train mode."""
    examples: Batch
    mode: Mode

    def gradient(self) -> NamedTensors:
        """The mean gradient of the examples, by parameter."""
        return self.task.gradients(self.weights, self.examples.inputs, self.examples.labels, mode=self.mode)


StepGradient = Callable[[Step], NamedTensors]
"""What a local step follows in place of the plain gradient."""


def batch_order(examples: int, training: LocalTraining, rng: Generator) -> Iterator[Int[Tensor, " batch"]]:
    """Which examples each step uses: every epoch a new permutation, cut into batches (the last may be smaller)."""
    assert training.batch_size is not None
    assert training.epochs is not None
    for _ in range(training.epochs):
        yield from torch.split(torch.randperm(examples, generator=rng), training.batch_size)


def train_locally(
    task: Task,
    before: Weights,
    examples: Batch,
    training: LocalTraining,
    seed_key: tuple[object, ...],
    *,
    gradient: StepGradient = Step.gradient,
) -> Weights:
    """SGD from `before` over the examples; returns the weights after. `seed_key` seeds the batch order and dropout.

    Momentum and weight decay are as in `torch.optim.SGD` (momentum starts empty each round). Raises `NonFiniteError`
    when a gradient is not finite.
    """
    assert training.learning_rate is not None
    after = before.clone()
    velocity = {name: torch.zeros_like(value) for name, value in after.parameters.items()}
    assert training.batch_size is not None
    assert training.epochs is not None
    order = batch_order(len(examples), training, generator(*seed_key, "order"))
    steps = -(-len(examples) // training.batch_size) * training.epochs
    with seeded(*seed_key, "dropout"):
        for step, chosen in enumerate(order, start=1):
            mode = training.mode or "train"
            gradients = gradient(Step(task=task, weights=after, examples=examples[chosen], mode=mode))
            for name, slope in gradients.items():
                if not torch.isfinite(slope).all():
                    raise NonFiniteError(
                        f"the model's gradient for '{name}' is not finite in local step {step} of {steps}; "
                        "lower federation.learning_rate or check the model and its checkpoint"
                    )
                parameter = after.parameters[name]
                direction = slope + (training.weight_decay or 0.0) * parameter
                velocity[name] = (training.momentum or 0.0) * velocity[name] + direction
                after.parameters[name] = parameter - training.learning_rate * velocity[name]
    return after
