"""Local training of a client: its facts, and the training itself (verification and attacks replay it)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.errors import ConfigError, NonFiniteError
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining, Mode
from fedleak.learning.layers import batch_norms
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator, seeded

__all__ = [
    "LocalTraining",
    "Mode",
    "Step",
    "StepGradient",
    "batch_order",
    "require_values_to_normalize",
    "stabilizers",
    "train_locally",
]


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


def require_values_to_normalize(task: Task, examples: int, training: LocalTraining) -> None:
    """Refuses a batch of one example, the last of an epoch maybe, where BatchNorm has a single value of it a channel.

    Raises `ConfigError`: the variance of one value is zero, and torch stops there.
    """
    assert training.batch_size is not None
    alone = examples % training.batch_size == 1 or training.batch_size == 1
    if not alone or training.mode == "eval" or not batch_norms(task.network):
        return
    weights = Weights.of(task.network).clone()
    try:
        with torch.no_grad(), seeded("a batch of one"):
            task.logits(weights, torch.zeros(1, *task.shape, dtype=next(task.network.parameters()).dtype))
    except ValueError as error:
        raise ConfigError(
            f"'{task.name}' has a BatchNorm layer that in train mode cannot normalize a batch of one, and batch_size = "
            f'{training.batch_size} makes one of {examples} examples; take another batch size, mode = "eval", or '
            "'group-norm' in the chain"
        ) from error


def stabilizers(task: Task, rate: str = "the learning rate") -> str:
    """What helps a model whose numbers run away; `rate` is what it is trained with, by name."""
    if not batch_norms(task.network):
        return f"lower {rate} or check the model and its checkpoint"
    return (
        "put 'group-norm' first in the chain, as BatchNorm's running statistics do not follow weights that move so "
        f"fast, or lower {rate}"
    )


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
    when a gradient is not finite, and `ConfigError` for what `require_values_to_normalize` refuses.
    """
    assert training.learning_rate is not None
    require_values_to_normalize(task, len(examples), training)
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
                        f"{stabilizers(task)}"
                    )
                parameter = after.parameters[name]
                direction = slope + (training.weight_decay or 0.0) * parameter
                velocity[name] = (training.momentum or 0.0) * velocity[name] + direction
                after.parameters[name] = parameter - training.learning_rate * velocity[name]
    return after
