"""ReLU activity of a batch: sparsity, who has units alone, and the draws of an exact attack."""

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
import torch
from jaxtyping import Bool
from torch import Generator, Tensor

from fedleak.gradients.relu_activity import activity
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import Mode
from fedleak.learning.weights import Weights

DRAWS = 50
"""Random batches that the expected number is the mean over."""
POINTS = 20_000
"""Points of the integral in `collector`; its error is far below the precision of the price."""


def sparsity(active: Bool[Tensor, "batch units"]) -> float:
    """Share of the units that are off, over all examples."""
    return 1.0 - float(active.double().mean())


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


def expected_draws(active: Bool[Tensor, "batch units"]) -> float:
    """Expected draws of rows until every example of the batch was found; infinite where one never can be.

    SPEAR draws B - 1 of the layer's m rows. Where all of them are zero for example i, their common null vector is that
    example's column of the factorization. With z_i of the m neurons off for example i a draw finds it with probability
    `p_i = C(z_i, B - 1) / C(m, B - 1)`, and all B of them take a coupon collector with these chances. It is a lower
    bound: rows that depend on each other are drawn in vain. Source: https://arxiv.org/abs/2403.03945
    """
    examples, neurons = active.shape
    zeros = (~active).sum(1).tolist()
    if any(off == neurons for off in zeros):
        return math.inf  # an example that switches nothing on leaves nothing behind
    return collector([_chance(off, neurons, examples - 1) for off in zeros])


def collector(chances: Sequence[float]) -> float:
    """Expected draws until each coupon was drawn at least once: `∫ 1 - Π_i (1 - exp(-p_i t)) dt`."""
    if min(chances) <= 0.0:
        return math.inf
    start, end = 1e-6 / max(chances), 60.0 / min(chances)
    log_t = np.linspace(math.log(start), math.log(end), POINTS)
    t = np.exp(log_t)
    missing = 1.0 - np.prod([-np.expm1(-chance * t) for chance in chances], axis=0)
    return start + float(np.trapezoid(missing * t, log_t))


def _chance(zeros: int, neurons: int, rows: int) -> float:
    """That `rows` different rows are all among the `zeros` of `neurons`."""
    if zeros < rows:
        return 0.0
    return math.exp(_log_choose(zeros, rows) - _log_choose(neurons, rows))


def _log_choose(of: int, chosen: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(chosen + 1) - math.lgamma(of - chosen + 1)
