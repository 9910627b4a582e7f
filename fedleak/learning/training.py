"""Local training of a client: its facts, and the training itself (verification and attacks replay it)."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.errors import ConfigError, NonFiniteError, did_you_mean, echo, first_line
from fedleak.learning.batch import Batch
from fedleak.learning.facts import LocalTraining, Mode
from fedleak.learning.layers import batch_norms
from fedleak.learning.optimizer import Optimizer, mean_of, rates
from fedleak.learning.poisson import poisson_batches
from fedleak.learning.split import SplitNetwork
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
    """One local step: the weights it starts from, and the examples it is about, of Poisson samples maybe none."""

    task: Task
    weights: Weights
    """BatchNorm writes to these buffers in train mode."""
    examples: Batch
    mode: Mode
    expected: int | None = None
    """Of a Poisson sample the size that a sum over it is divided by; None: the size is fixed, and it is that."""

    def gradient(self) -> NamedTensors:
        """The mean gradient of the examples, by parameter."""
        return self.task.gradients(self.weights, self.examples.inputs, self.examples.labels, mode=self.mode)


StepGradient = Callable[[Step], NamedTensors]
"""What a local step follows in place of the plain gradient."""


USUAL_STEPS = 100
"""Steps that a schedule is tried for where a client's share decides how many there are."""
BEYOND = 1e-3
"""How far an augmented image may be out of its range: by resampling."""


def require_trained_so(training: LocalTraining) -> None:
    """Raises `ConfigError` for a schedule or an augmentation that there is not, before anybody trains."""
    if training.schedule:
        list(rates(training, training.steps or USUAL_STEPS))
    transforms_of(training.augmentation)


def batches_in(examples: int, training: LocalTraining) -> int:
    """The batches of an epoch over so many examples; raises `ConfigError` where there is none."""
    assert training.batch_size is not None
    if training.sampling_rate:
        assert training.batches is not None
        return training.batches
    whole, rest = divmod(examples, training.batch_size)
    batches = whole + (1 if rest and not training.drop_last else 0)
    if not batches:
        raise ConfigError(
            f"drop_last leaves no batch: a client has {examples} examples for batch_size = {training.batch_size}; take "
            "smaller batches, fewer clients, or drop_last = false"
        )
    return batches


def steps_in(examples: int, training: LocalTraining) -> int:
    """The steps of a round over so many examples."""
    assert training.epochs is not None
    return -(-batches_in(examples, training) // training.accumulation) * training.epochs


def batch_order(examples: int, training: LocalTraining, rng: Generator) -> Iterator[list[Int[Tensor, " batch"]]]:
    """Which examples each step uses: every epoch a new permutation, cut into batches (the last may be smaller).

    A step has one batch, or as many as are accumulated; the last step of an epoch may have fewer. Of Poisson samples
    each example is in one batch of the round at least, and some batches may have none.
    """
    assert training.batch_size is not None
    assert training.epochs is not None
    many, drawn = batches_in(examples, training), poisson_batches(examples, training, rng)
    for epoch in range(training.epochs):
        batches = drawn[epoch * many :] or torch.split(torch.randperm(examples, generator=rng), training.batch_size)
        for first in range(0, many, training.accumulation):
            yield list(batches[first : min(first + training.accumulation, many)])


def require_values_to_normalize(task: Task, examples: int, training: LocalTraining) -> None:
    """Refuses a batch of one example, the last of an epoch maybe, where BatchNorm has a single value of it a channel.

    Raises `ConfigError`: the variance of one value is zero, and torch stops there.
    """
    assert training.batch_size is not None
    alone = (examples % training.batch_size == 1 and not training.drop_last) or training.batch_size == 1
    if not alone or training.mode == "eval" or not batch_norms(task.network):
        return
    weights = Weights.of(task.network).clone()
    try:
        with torch.no_grad(), seeded("a batch of one"):
            task.logits(weights, torch.zeros(1, *task.shape, dtype=next(task.network.parameters()).dtype))
    except ValueError as error:
        instead = "" if isinstance(task.network, SplitNetwork) else ", or 'group-norm' in the chain"
        raise ConfigError(
            f"'{task.name}' has a BatchNorm layer that in train mode cannot normalize a batch of one, and batch_size = "
            f'{training.batch_size} makes one of {examples} examples; take another batch size, or mode = "eval"'
            f"{instead}"
        ) from error


def stabilizers(task: Task, rate: str = "the learning rate") -> str:
    """What helps a model whose numbers run away; `rate` is what it is trained with, by name."""
    if isinstance(task.network, SplitNetwork) or not batch_norms(task.network):
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
    """Trains from `before` on the examples; returns the weights after. `seed_key` seeds what is drawn on the way.

    That is the order of the batches, augmentation and dropout. Raises `NonFiniteError` when a gradient is not finite,
    and `ConfigError` for what `require_values_to_normalize` refuses.
    """
    assert training.learning_rate is not None
    require_values_to_normalize(task, len(examples), training)
    after, optimizer = before.clone(), Optimizer(training)
    order = batch_order(len(examples), training, generator(*seed_key, "order"))
    steps, augmented = steps_in(len(examples), training), augmenting(training, seed_key)
    pace, expected = rates(training, steps), training.batch_size if training.sampling_rate else None
    with seeded(*seed_key, "dropout"):
        for step, (batches, rate) in enumerate(zip(order, pace, strict=True), start=1):
            taken = [augmented(examples[chosen]) for chosen in batches]
            mode = training.mode or "train"
            gradients = mean_of(
                [gradient(Step(task=task, weights=after, examples=one, mode=mode, expected=expected)) for one in taken]
            )
            for name, slope in gradients.items():
                if not torch.isfinite(slope).all():
                    raise NonFiniteError(
                        f"the model's gradient for '{name}' is not finite in local step {step} of {steps}; "
                        f"{stabilizers(task)}"
                    )
            at = after.parameters
            moved = {name: before.parameters[name] - value for name, value in at.items()} if training.proximal else None
            down = optimizer.change(gradients, at, moved, rate)
            at.update({name: value - down[name] for name, value in at.items()})
    return after


# Augmentation: transforms of torchvision that clients put their batches through, drawn anew in each step.


def augmenting(training: LocalTraining, seed_key: tuple[object, ...]) -> Callable[[Batch], Batch]:
    """What puts one batch after the other through the transforms, each example by draws of its own.

    Images stay in [0, 1] and keep their shape; raises `ConfigError` where a transform does not.
    """
    if not training.augmentation:
        return lambda batch: batch
    transforms, rng = transforms_of(training.augmentation), generator(*seed_key, "augmentation")

    def augmented(batch: Batch) -> Batch:
        if not len(batch):  # of Poisson samples
            return batch
        with seeded("augmentation", int(torch.randint(2**62, (), generator=rng))):
            inputs = torch.stack([_through(transforms, image) for image in batch.inputs])
        low, high = (float(end) for end in inputs.aminmax())
        if low < -BEYOND or high > 1 + BEYOND:
            raise ConfigError(
                f"federation.augmentation: expected images in [0, 1] after it, got {low:.3g} to {high:.3g}; leave "
                "normalization to task.normalize"
            )
        return replace(batch, inputs=inputs.clamp(0.0, 1.0))

    return augmented


@lru_cache(maxsize=16)
def transforms_of(augmentation: tuple[str, ...]) -> tuple[Callable[[Tensor], Tensor], ...]:
    """The transforms that some facts of training name; raises `ConfigError` where torchvision has none such."""
    if not augmentation:
        return ()
    # Imported here: it takes a second, and most clients do not augment.
    from torchvision.transforms import v2

    known = [name for name, one in vars(v2).items() if isinstance(one, type) and issubclass(one, v2.Transform)]
    found = []
    for place, text in enumerate(augmentation):
        options: dict[str, Any] = json.loads(text)
        name = options.pop("name", None)
        if name not in known:
            raise ConfigError(
                f"federation.augmentation.{place}: torchvision has no transform called {echo(name)}"
                f"{did_you_mean(str(name), known)}"
            )
        try:
            found.append(getattr(v2, name)(**options))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"federation.augmentation.{place}: {name}: {first_line(error)}") from error
    return tuple(found)


def _through(transforms: tuple[Callable[[Tensor], Tensor], ...], image: Tensor) -> Tensor:
    changed = image
    for transform in transforms:
        try:
            changed = transform(changed)
        except Exception as error:  # what it cannot do, it says when it is called
            name = type(transform).__name__
            raise ConfigError(
                f"federation.augmentation: {name} on images of shape {tuple(image.shape)}: {first_line(error)}"
            ) from error
    if not isinstance(changed, Tensor):
        raise ConfigError(f"federation.augmentation: expected images as tensors, got {type(changed).__name__}")
    if changed.shape != image.shape or changed.dtype != image.dtype:
        raise ConfigError(
            f"federation.augmentation: expected images of {image.dtype} and shape {tuple(image.shape)} as they came, "
            f"got {changed.dtype} of shape {tuple(changed.shape)}; give sizes that fit, as in RandomCrop with "
            f"size = {image.shape[-1]} and padding = 4"
        )
    return changed
