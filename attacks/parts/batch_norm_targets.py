"""BatchNorm statistics of a batch, inferred from how one round moved the client's buffers.

One step moves a running mean r to `r' = (1 - m) r + m μ`, so `μ = (r' - (1 - m) r) / m`; a running variance likewise,
with the unbiased variance of the n values of a channel, `n / (n - 1)` times that of the batch. After T steps what can
be inferred is a mean of the steps' statistics, later steps weighing more. Source: https://arxiv.org/abs/2202.06924
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.gradients.batch_norm_statistics import Gauge, Statistics


@dataclass(frozen=True)
class Target:
    """The statistics to match, layer by layer, and what to know about them."""

    statistics: list[Statistics]
    note: str | None = None


def target_statistics(observation: Observation, gauge: Gauge, source: Literal["auto", "inferred", "running"]) -> Target:
    """The statistics from a source, "auto" being the batch's where they can be inferred, else the model's own."""
    if source == "running":
        return _stand_in(observation, gauge, "the model's running statistics were asked for")
    try:
        statistics = inferred(observation, gauge)
    except NotApplicable as refusal:
        if source == "inferred":
            raise NotApplicable(f"the statistics of the batch are unknown: {refusal}") from refusal
        return _stand_in_or_neither(observation, gauge, str(refusal))
    steps = max(steps_taken(observation, name) or 1 for name in gauge.values)
    note = f"the BatchNorm statistics matched are a mean over {steps} local steps, later ones weighing more"
    return Target(statistics, note if steps > 1 else None)


def _stand_in(observation: Observation, gauge: Gauge, reason: str) -> Target:
    """The model's own statistics, for a reason."""
    note = f"the model's running BatchNorm statistics stood in for the batch's: {reason}"
    return Target(running(observation, gauge), note)


def _stand_in_or_neither(observation: Observation, gauge: Gauge, reason: str) -> Target:
    try:
        return _stand_in(observation, gauge, reason)
    except NotApplicable as refusal:
        raise NotApplicable(f"no BatchNorm statistics to match: {reason}, and {refusal}") from refusal


def running(observation: Observation, gauge: Gauge) -> list[Statistics]:
    """The statistics that the model was sent with: those of older data."""
    buffers, statistics = observation.before.buffers, []
    for name in gauge.values:
        if f"{name}.running_mean" not in buffers:
            raise NotApplicable(f"the BatchNorm layer '{name}' keeps no running statistics")
        statistics.append(torch.stack([buffers[f"{name}.running_mean"], buffers[f"{name}.running_var"]]))
    if all(not mean.any() and (variance == 1).all() for mean, variance in statistics):
        raise NotApplicable("the model's running statistics are those it was born with, so they say nothing")
    return statistics


def inferred(observation: Observation, gauge: Gauge) -> list[Statistics]:
    """The statistics of the batch behind an update."""
    after, before, statistics = observation.buffers_after, observation.before.buffers, []
    if after is None:
        raise NotApplicable("the BatchNorm buffers were not sent back")
    for name, values in gauge.values.items():
        kept = _kept(observation, gauge.task.network.get_submodule(name), name)
        pair = [
            (after[f"{name}.{kind}"].to(before[f"{name}.{kind}"]) - kept * before[f"{name}.{kind}"]) / (1 - kept)
            for kind in ("running_mean", "running_var")
        ]
        batch = values * (observation.training.batch_size or observation.examples())
        statistics.append(torch.stack([pair[0], pair[1].clamp_min(0.0) * (batch - 1) / batch]))
    if not all(torch.isfinite(layer).all() for layer in statistics):
        raise NotApplicable("the BatchNorm buffers that came back are not finite")
    return statistics


def steps_taken(observation: Observation, name: str) -> int | None:
    """How many batches a layer saw in this round: its own counter, else what is known of the training."""
    after, counter = observation.buffers_after or {}, f"{name}.num_batches_tracked"
    if counter in after and counter in observation.before.buffers:
        return round(float(after[counter]) - float(observation.before.buffers[counter]))
    return observation.training.passes


def _kept(observation: Observation, layer: nn.Module, name: str) -> float:
    """The share of the old statistics that is left in the new ones."""
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
    steps, buffers = steps_taken(observation, name), observation.before.buffers
    if f"{name}.running_mean" not in buffers or f"{name}.running_mean" not in (observation.buffers_after or {}):
        raise NotApplicable(f"the BatchNorm layer '{name}' keeps no running statistics")
    if steps is None:
        raise NotApplicable("how many local steps moved the BatchNorm buffers is unknown")
    if steps < 1:
        raise NotApplicable("the BatchNorm buffers came back unmoved: the client trains in eval mode")
    if layer.momentum is None:  # a plain mean over all batches there ever were
        seen = float(buffers[f"{name}.num_batches_tracked"])
        return seen / (seen + steps)
    return float((1 - layer.momentum) ** steps)
