"""Unrolled local training: from a dummy batch to the update of several steps, differentiably."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.batch import unlike
from fedleak.learning.facts import LocalTraining
from fedleak.learning.optimizer import SOFTNESS, Optimizer, mean_of, rates
from fedleak.learning.space import InputSpace
from fedleak.learning.update import UpdateKind, decay_beside, effective_steps, reach

from ..engine.gradient_match import Dummy, Simulate
from ..engine.objective import Gradient, Guess, Objective, Variables
from ..engine.public_model import PublicModel

Batch = tuple[Tensor, Tensor, Tensor | None]
Batches = Iterable[Batch]
"""Images and labels of one batch after the other, and where some count more in it, how much each."""


Plan = Callable[[Dummy], Batches]
"""Which of the dummy data each batch uses."""


LOG_RATE = "log learning rate"
"""The variable that stands for the clients' learning rate where it is learned."""


def unrolled(observation: Observation, training: LocalTraining, plan: Plan) -> Simulate:
    """The update of the clients' optimizer over the plan's batches, as `training` has it.

    Where `training` has no learning rate, it is e to the variable `LOG_RATE`. A step costs and keeps in memory what a
    step of gradient matching does, so T steps on the same images cost T times as much. Adam's signs are soft.
    Source: https://arxiv.org/abs/2206.12395, https://arxiv.org/abs/2003.14053
    """
    as_gradient = _form(observation)

    def simulate(model: PublicModel, dummy: Dummy, gradient: Gradient) -> Sequence[Tensor]:
        steps = list(_steps(list(plan(dummy)), training))
        base = 1.0 if training.learning_rate is None else training.learning_rate
        rate = dummy.variables[LOG_RATE].exp() if training.learning_rate is None else base
        start, moved, optimizer = model.weights.parameters, None, Optimizer(training, SOFTNESS)
        for scheduled, batches in zip(rates(training, len(steps)), steps, strict=True):
            # The change is summed up by itself: the difference of two sets of weights would lose digits.
            at = start if moved is None else {name: value - moved[name] for name, value in start.items()}
            pull = mean_of([model.gradients(x, y, gradient, at, shares) for x, y, shares in batches])
            down = optimizer.change(pull, at, moved, rate * (scheduled / base) if training.schedule else rate)
            moved = down if moved is None else {name: moved[name] + value for name, value in down.items()}
        assert moved is not None, "a plan has at least one batch"
        return [as_gradient(moved[name], start[name], rate) for name in start]

    return simulate


def _steps(batches: list[Batch], training: LocalTraining) -> Iterator[list[Batch]]:
    """The batches of each step: several where they are accumulated, which stops at the end of an epoch."""
    for epoch in _parts(batches, len(batches) // (training.epochs or 1)):
        yield from _parts(epoch, training.accumulation)


def _parts(batches: list[Batch], size: int) -> Iterator[list[Batch]]:
    yield from (batches[first : first + size] for first in range(0, len(batches), size))


def _form(observation: Observation) -> Callable[[Tensor, Tensor, float | Float[Tensor, ""]], Tensor]:
    """From the change of weights, and where they started, to what `Observation.gradient` makes of it."""
    known, steps = observation.training, effective_steps(observation.training)
    decay, length = decay_beside(known), reach(known)
    if observation.update.kind is UpdateKind.GRADIENT:
        return lambda moved, start, rate: moved / (rate * (steps or 1.0)) - decay * start
    if length is None:
        return lambda moved, start, rate: moved  # noqa: ARG005
    return lambda moved, start, rate: moved / length - decay * start  # noqa: ARG005


# Batch assignment: three ways to deal with an order of examples that the client drew in secret.

MEMBERS = "members"
"""The variable that stands for who is in which batch, where that is learned."""


def fixed_order(training: LocalTraining) -> Plan:
    """The dummy images in batches one after the other, every epoch anew in the same order.

    Source: https://arxiv.org/abs/2003.14053
    """
    size, epochs = _size(training), training.epochs or 1

    def plan(dummy: Dummy) -> Batches:
        return list(_cut(dummy.inputs, dummy.labels, size))[: training.batches] * epochs

    return plan


def images_of_each_epoch(training: LocalTraining) -> Plan:
    """Every epoch has dummy images of its own, so that each may take them in any order; see `epoch_prior`.

    The dummy batch holds epoch after epoch. Source: https://arxiv.org/abs/2206.12395
    """
    size, epochs = _size(training), training.epochs or 1

    def plan(dummy: Dummy) -> Batches:
        for inputs, labels in zip(dummy.inputs.chunk(epochs), dummy.labels.chunk(epochs), strict=True):
            yield from _cut(inputs, labels, size)

    return plan


def learned_members() -> Plan:
    """Every step uses all dummy images, weighted by how surely each is in its batch: a variable, see `members`.

    In each epoch an image's weights over the batches are a softmax; a batch's loss is the weighted mean. At weights of
    0 and 1 that is the client's own training, at equal ones it is training on the whole. Exact but for layers that mix
    the images of a batch (BatchNorm).
    """

    def plan(dummy: Dummy) -> Batches:
        for epoch in dummy.variables[MEMBERS].softmax(2):
            for shares in epoch.unbind(1):
                yield dummy.inputs, dummy.labels, shares

    return plan


def members(training: LocalTraining, examples: int, rng: Generator) -> Float[Tensor, "epochs examples batches"]:
    """A start for the variable: any batch is nearly as likely as its size says."""
    sizes = [len(part) for part in torch.split(torch.arange(examples), _size(training))]
    usual = torch.tensor(sizes, dtype=torch.float32).log()
    return usual + 0.1 * torch.randn(training.epochs or 1, examples, len(sizes), generator=rng)


def _cut(inputs: Tensor, labels: Tensor, size: int) -> Batches:
    yield from ((*pair, None) for pair in zip(torch.split(inputs, size), torch.split(labels, size), strict=True))


def _size(training: LocalTraining) -> int:
    assert training.batch_size is not None
    return training.batch_size


# Epoch assignment: one set of images out of the images that each epoch has of its own.


@dataclass(frozen=True, kw_only=True, eq=False)
class Merged(Objective):
    """An objective over images of several epochs whose guess is one set of images: see `merge`."""

    objective: Objective
    epochs: int
    units: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, objective: Objective, epochs: int) -> "Merged":
        """The same objective with its guess merged."""
        return cls(objective=objective, epochs=epochs, units=objective.units)

    @property
    def space(self) -> InputSpace:
        return self.objective.space

    @property
    def vectorizes(self) -> bool:
        return self.objective.vectorizes

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        return self.objective.loss(variables, gradient)

    def guess(self, variables: Variables) -> Guess:
        guess = self.objective.guess(variables)
        assert guess.labels is not None
        return merge(guess.inputs, guess.labels, self.epochs)

    def completed(self, start: Variables, rng: Generator) -> Variables:
        return self.objective.completed(start, rng)

    def project(self, variables: Variables) -> None:
        self.objective.project(variables)


def merge(inputs: Float[Tensor, "images *shape"], labels: Int[Tensor, "images *classes"], epochs: int) -> Guess:
    """The mean over epochs, each put in the order of the first by the assignment of least squared distance.

    Only images of the same label are assigned to each other, if every epoch has each label equally often.
    Source: https://arxiv.org/abs/2206.12395
    """
    images, classes = (values.reshape(epochs, -1, *values.shape[1:]) for values in (inputs, labels))
    ordered = [images[0]]
    for others, named in zip(images[1:], classes[1:], strict=True):
        cost = (images[0][:, None] - others[None]).square().flatten(2).mean(2)
        # Far more than a pixel's range squared, so that labels decide first.
        cost = cost + 1e3 * unlike(classes[0], named)
        _, columns = linear_sum_assignment(cost.cpu().numpy())
        ordered.append(others[torch.as_tensor(columns, device=others.device)])
    return Guess(torch.stack(ordered).mean(0), classes[0])
