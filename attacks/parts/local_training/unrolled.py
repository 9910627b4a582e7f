"""Unrolled local training: from a dummy batch to the update of several steps, differentiably."""

from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import UpdateKind

from ..engine.gradient_match import Dummy, Simulate
from ..engine.objective import Gradient
from ..engine.public_model import PublicModel

Batches = Iterable[tuple[Tensor, Tensor]]
"""Images and labels of one local step after the other."""


Plan = Callable[[Dummy], Batches]
"""Which of the dummy data each local step uses."""


LOG_RATE = "log learning rate"
"""The variable that stands for the clients' learning rate where it is learned."""


def unrolled(observation: Observation, training: LocalTraining, plan: Plan) -> Simulate:
    """The update of SGD over the plan's batches, with momentum and weight decay as `training` has them.

    Where `training` has no learning rate, it is e to the variable `LOG_RATE`. A step costs and keeps in memory what a
    step of gradient matching does, so T steps on the same images cost T times as much.
    Source: https://arxiv.org/abs/2206.12395, https://arxiv.org/abs/2003.14053
    """
    as_gradient = _form(observation)

    def simulate(model: PublicModel, dummy: Dummy, gradient: Gradient) -> Sequence[Tensor]:
        rate = dummy.variables[LOG_RATE].exp() if training.learning_rate is None else training.learning_rate
        start, moved, velocity = model.weights.parameters, None, None
        for inputs, labels in plan(dummy):
            # The change is summed up by itself: the difference of two sets of weights would lose digits.
            at = start if moved is None else {name: value - moved[name] for name, value in start.items()}
            pull = model.gradients(inputs, labels, gradient, at)
            if training.weight_decay:
                pull = {name: value + training.weight_decay * at[name] for name, value in pull.items()}
            if training.momentum and velocity is not None:
                pull = {name: value + training.momentum * velocity[name] for name, value in pull.items()}
            velocity = pull
            moved = {n: rate * v if moved is None else moved[n] + rate * v for n, v in velocity.items()}
        assert moved is not None, "a plan has at least one batch"
        return [as_gradient(moved[name], start[name], rate) for name in start]

    return simulate


def _form(observation: Observation) -> Callable[[Tensor, Tensor, float | Float[Tensor, ""]], Tensor]:
    """From the change of weights, and where they started, to what `Observation.gradient` makes of it."""
    known, steps = observation.training, observation.training.effective_steps
    decay = known.weight_decay or 0.0
    if observation.update.kind is UpdateKind.GRADIENT:
        return lambda moved, start, rate: moved / (rate * (steps or 1.0)) - decay * start
    if known.learning_rate is None or steps is None:
        return lambda moved, start, rate: moved  # noqa: ARG005
    scale = known.learning_rate * steps
    return lambda moved, start, rate: moved / scale - decay * start  # noqa: ARG005


# Batch assignment: three ways to deal with an order of examples that the client drew in secret.

MEMBERS = "members"
"""The variable that stands for who is in which batch, where that is learned."""


def fixed_order(training: LocalTraining) -> Plan:
    """The dummy images in batches one after the other, every epoch anew in the same order.

    Source: https://arxiv.org/abs/2003.14053
    """
    size, epochs = _size(training), training.epochs or 1

    def plan(dummy: Dummy) -> Batches:
        once = list(zip(torch.split(dummy.inputs, size), torch.split(dummy.labels, size), strict=True))
        return once * epochs

    return plan


def images_of_each_epoch(training: LocalTraining) -> Plan:
    """Every epoch has dummy images of its own, so that each may take them in any order; see `epoch_prior`.

    The dummy batch holds epoch after epoch. Source: https://arxiv.org/abs/2206.12395
    """
    size, epochs = _size(training), training.epochs or 1

    def plan(dummy: Dummy) -> Batches:
        for inputs, labels in zip(dummy.inputs.chunk(epochs), dummy.labels.chunk(epochs), strict=True):
            yield from zip(torch.split(inputs, size), torch.split(labels, size), strict=True)

    return plan


def learned_members(classes: int) -> Plan:
    """Every step uses all dummy images, weighted by how surely each is in its batch: a variable, see `members`.

    In each epoch an image's weights over the batches are a softmax; a batch's loss is the weighted mean. At weights of
    0 and 1 that is the client's own training, at equal ones it is training on the whole. Exact but for layers that mix
    the images of a batch (BatchNorm).
    """

    def plan(dummy: Dummy) -> Batches:
        labels = dummy.labels
        if not labels.is_floating_point():
            labels = F.one_hot(labels, classes).to(dummy.inputs.dtype)
        for epoch in dummy.variables[MEMBERS].softmax(2):
            for weights in epoch.unbind(1):
                # The mean cross-entropy of labels that weigh n w is the weighted sum of losses.
                yield dummy.inputs, labels * (len(labels) * weights / weights.sum())[:, None]

    return plan


def members(training: LocalTraining, examples: int, rng: Generator) -> Float[Tensor, "epochs examples batches"]:
    """A start for the variable: any batch is nearly as likely as its size says."""
    sizes = [len(part) for part in torch.split(torch.arange(examples), _size(training))]
    usual = torch.tensor(sizes, dtype=torch.float32).log()
    return usual + 0.1 * torch.randn(training.epochs or 1, examples, len(sizes), generator=rng)


def _size(training: LocalTraining) -> int:
    assert training.batch_size is not None
    return training.batch_size
