"""Oracle references: what a guess without structure, or a public example, reaches where the truth chooses it.

They look at the truth, so no attacker has them: they are lines to read figures by. From them comes the threshold of a
task, from where on an image counts as rebuilt there.
"""

import math
from collections.abc import Iterator
from functools import lru_cache

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from fedleak.contracts.metric import ExampleMetric, Metric
from fedleak.goals.matching import NO_GUESS
from fedleak.learning.batch import Batch, class_means
from fedleak.randomness import generator

LEVELS = 9
"""Intensities from 0 to 1 that a channel of the best single color may have beside the image's own mean."""
PAIRS = 512
"""Pairs of a true and a public image that are judged at most; where there are more, the nearest by squared error."""
NEAREST = 8
"""Public images that are judged for each true one in any case."""
CALIBRATION = 200
"""Unseen examples that a threshold is calibrated on at most."""
PUBLIC = 2000
"""Public examples that guesses for these are made from at most."""
PERCENTILE = 0.99
"""Of the structureless guesses for unseen examples: a threshold is not below what all but 1 of 100 of them reach."""
TOGETHER = 256
"""Pairs that are judged in one go: more do not fit the processor's cache."""

KEPT = 32
"""Answers that are kept: of the attacks on one message, and of a task's metrics. A batch is known by being the same
object, as splits are, which are read once a process."""

Values = Float64[Tensor, " batch"]


@lru_cache(maxsize=KEPT)
def single_color(metric: ExampleMetric, truth: Batch) -> Values:
    """For each true image what the best patch of one color reaches: its own mean, or a better level of a channel.

    The mean is the best color in squared error. In other measures it is not (for SSIM it is the color of what is flat),
    so each channel in turn may take another level. NaN where no color spreads: values that have no neighbors.
    """
    space = truth.space
    if not space.neighbors:
        return torch.full((len(truth),), math.nan, dtype=torch.float64)
    colors = truth.inputs.nanmean(dim=space.neighbors).nan_to_num(space.middle)  # NaN: what no client saw
    levels = space.at(torch.linspace(0, 1, LEVELS, dtype=colors.dtype))
    best = leakage(metric, _patches(colors[:, None], truth), truth).squeeze(1)
    for channel in range(colors.shape[1]):
        tried = colors[:, None].repeat(1, LEVELS, 1)
        tried[:, :, channel] = levels
        top = leakage(metric, _patches(tried, truth), truth).max(dim=1)
        better = top.values > best
        colors[better, channel] = levels[top.indices[better]]
        best = torch.where(better, top.values, best)
    return _sign(metric) * best


@lru_cache(maxsize=KEPT)
def nearest_public(metric: ExampleMetric, truth: Batch, public: Batch) -> Values:
    """For each true image what the public example that is nearest to it, by this very metric, reaches."""
    judged = min(len(public), max(NEAREST, PAIRS // len(truth)))
    apart = torch.cdist(truth.inputs.nan_to_num(truth.space.middle).flatten(1), public.inputs.flatten(1))
    chosen = enumerate(apart.topk(judged, largest=False).indices)
    rows = [leakage(metric, public.inputs[own][None], truth[torch.tensor([i])]) for i, own in chosen]
    return _sign(metric) * torch.cat(rows).amax(dim=1)


def threshold_of(metric: Metric, public: Batch | None, unseen: Batch | None = None) -> float:
    """From where on a sample counts as leaked, for a task with such public examples.

    On images it is the metric's own threshold or, where that is further, what the best structureless guess reaches for
    99 in 100 unseen examples: a single color, the public mean of its class, the nearest public example. Without unseen
    ones the public examples are halved.
    """
    if not isinstance(metric, ExampleMetric) or metric.compares != "inputs" or public is None or len(public) < 2:
        return metric.threshold
    return _calibrated(metric, public, unseen)


@lru_cache(maxsize=KEPT)
def _calibrated(metric: ExampleMetric, public: Batch, unseen: Batch | None) -> float:
    if metric.inapplicable(public) is not None:
        return metric.threshold
    known = public[torch.randperm(len(public), generator=generator("calibration, public"))[:PUBLIC]]
    if unseen is None:
        half = torch.arange(len(known) // 2)
        known, unseen = known[half + len(known) - len(half)], known[half]
    some = unseen[torch.randperm(len(unseen), generator=generator("calibration, unseen"))[:CALIBRATION]]
    means = leakage(metric, class_means(known, some.labels)[:, None], some).squeeze(1)
    guesses = _sign(metric) * torch.stack([single_color(metric, some), nearest_public(metric, some, known)])
    guesses = guesses.nan_to_num(nan=-math.inf, neginf=-math.inf, posinf=math.inf)  # NaN: no color spreads
    level = _sign(metric) * float(torch.maximum(means, guesses.amax(dim=0)).quantile(PERCENTILE, interpolation="lower"))
    return max(metric.threshold, level) if metric.higher_is_better else min(metric.threshold, level)


def _patches(
    colors: Float[Tensor, "batch tried channels"], truth: Batch
) -> Float[Tensor, "batch tried channels *spread"]:
    spread = truth.inputs.shape[2:]
    return colors[(..., *[None] * len(spread))].expand(*colors.shape, *spread)


def leakage(
    metric: ExampleMetric, guesses: Float[Tensor, "batch tried *shape"], truth: Batch
) -> Float64[Tensor, "batch tried"]:
    """The metric of every guess tried for every true image, higher for more leakage."""
    values = [value for part in _parts(guesses, truth) for value in metric.per_sample(*part)]
    return _sign(metric) * torch.tensor(values, dtype=torch.float64).reshape(guesses.shape[:2])


def _parts(guesses: Float[Tensor, "batch tried *shape"], truth: Batch) -> Iterator[tuple[Batch, Batch]]:
    tried = guesses.shape[1]
    for places in torch.split(torch.arange(len(truth) * tried), TOGETHER):
        nothing = torch.full((len(places),), NO_GUESS)
        yield Batch(guesses[places // tried, places % tried], nothing, truth.space), truth[places // tried]


def _sign(metric: Metric) -> float:
    return 1.0 if metric.higher_is_better else -1.0
