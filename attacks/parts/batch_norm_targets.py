"""What the BatchNorm layers of a client saw, inferred from how one round moved their buffers.

One step moves a running mean r to `r' = (1 - m) r + m μ`, so `μ = (r' - (1 - m) r) / m`; a running variance likewise,
with the unbiased variance of the n values of a channel, `n / (n - 1)` times that of the batch. After T steps what can
be told is a mean of the steps' statistics, later steps weighing more. Source: https://arxiv.org/abs/2202.06924
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from fedleak.contracts.observation import Observation
from fedleak.gradients.batch_norm_statistics import Gauge, Statistics


@dataclass(frozen=True)
class Target:
    """The statistics to match, layer by layer, and what to know about them."""

    statistics: list[Statistics]
    note: str | None = None


def target_statistics(
    observation: Observation, gauge: Gauge, source: Literal["auto", "inferred", "running"]
) -> Target | str:
    """The statistics from a source, "auto" being the batch's where they can be told; or why there are none."""
    own = inferred(observation, gauge) if source != "running" else "the model's running statistics were asked for"
    if not isinstance(own, str):
        steps = max(steps_taken(observation, name) or 1 for name in gauge.values)
        note = f"the BatchNorm statistics matched are a mean over {steps} local steps, later ones weighing more"
        return Target(own, note if steps > 1 else None)
    if source == "inferred":
        return f"the statistics of the batch are unknown: {own}"
    stand_in = running(observation, gauge)
    if not isinstance(stand_in, str):
        return Target(stand_in, f"the model's running BatchNorm statistics stood in for the batch's: {own}")
    return stand_in if source == "running" else f"no BatchNorm statistics to match: {own}, and {stand_in}"


def running(observation: Observation, gauge: Gauge) -> list[Statistics] | str:
    """The statistics that the model was sent with: those of older data; or why there are none."""
    buffers, found = observation.before.buffers, []
    for name in gauge.values:
        if f"{name}.running_mean" not in buffers:
            return f"the BatchNorm layer '{name}' keeps no running statistics"
        found.append(torch.stack([buffers[f"{name}.running_mean"], buffers[f"{name}.running_var"]]))
    fresh = all(not mean.any() and (variance == 1).all() for mean, variance in found)
    return "the model's running statistics are those it was born with, so they say nothing" if fresh else found


def inferred(observation: Observation, gauge: Gauge) -> list[Statistics] | str:
    """The statistics of the batch behind an update; or why they cannot be told."""
    after, before, found = observation.buffers_after, observation.before.buffers, []
    if after is None:
        return "the BatchNorm buffers were not sent back"
    for name, values in gauge.values.items():
        kept = _kept(observation, gauge.task.network.get_submodule(name), name)
        if isinstance(kept, str):
            return kept
        pair = [
            (after[f"{name}.{kind}"].to(before[f"{name}.{kind}"]) - kept * before[f"{name}.{kind}"]) / (1 - kept)
            for kind in ("running_mean", "running_var")
        ]
        batch = values * (observation.training.batch_size or observation.examples())
        found.append(torch.stack([pair[0], pair[1].clamp_min(0.0) * (batch - 1) / batch]))
    if not all(torch.isfinite(one).all() for one in found):
        return "the BatchNorm buffers that came back are not finite"
    return found


def steps_taken(observation: Observation, name: str) -> int | None:
    """How many batches a layer saw in this round: its own counter, else what is known of the training."""
    after, counter = observation.buffers_after or {}, f"{name}.num_batches_tracked"
    if counter in after and counter in observation.before.buffers:
        return round(float(after[counter]) - float(observation.before.buffers[counter]))
    return observation.training.steps


def _kept(observation: Observation, layer: nn.Module, name: str) -> float | str:
    """The share of the old statistics that is left in the new ones."""
    assert isinstance(layer, nn.modules.batchnorm._BatchNorm)
    steps, buffers = steps_taken(observation, name), observation.before.buffers
    if f"{name}.running_mean" not in buffers or f"{name}.running_mean" not in (observation.buffers_after or {}):
        return f"the BatchNorm layer '{name}' keeps no running statistics"
    if steps is None:
        return "how many local steps moved the BatchNorm buffers is unknown"
    if steps < 1:
        return "the BatchNorm buffers came back unmoved: the client trains in eval mode"
    if layer.momentum is None:  # a plain mean over all batches there ever were
        seen = float(buffers[f"{name}.num_batches_tracked"])
        return seen / (seen + steps)
    return float((1 - layer.momentum) ** steps)
