"""Who is in which batch: three ways to live with an order of batches that the client rolled dice for."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.learning.training import LocalTraining

from .gradient_match import Dummy
from .unrolled import Batches, Plan

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
