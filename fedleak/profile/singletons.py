"""Examples that a neuron of a linear layer shows alone: its gradient row is theirs, and nobody else's is in it."""

from statistics import fmean

import torch
from jaxtyping import Bool
from torch import Generator, Tensor

from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import Mode
from fedleak.learning.weights import Weights
from fedleak.profile.activity import activity

DRAWS = 50
"""Random batches that the expected number is the mean over."""


def alone(active: Bool[Tensor, "batch units"]) -> int:
    """How many examples switch on some neuron that no other example of the batch does.

    `dL/dW_i / dL/db_i` of such a neuron is the layer's input for that example. Source:
    https://doi.org/10.1109/TIFS.2017.2787987
    """
    single = active[:, active.sum(0) == 1]
    return int(single.any(1).sum())


def expected_alone(
    task: Task, weights: Weights, public: Batch, layer: str, examples: int, mode: Mode, rng: Generator
) -> float:
    """The mean of `alone` in a layer over random batches of public data; not of the examples that are profiled."""
    counts = []
    for _ in range(DRAWS):
        chosen = torch.randperm(len(public), generator=rng)[:examples]
        counts.append(alone(activity(task, weights, public.inputs[chosen], mode)[layer]))
    return fmean(counts)
