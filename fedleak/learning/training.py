"""Local training of a client: its facts, and the training itself (verification and attacks replay it)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.errors import NonFiniteError
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining, Mode
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator, seeded

__all__ = ["LocalTraining", "Mode", "Step", "StepGradient", "batch_order", "train_locally"]


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
