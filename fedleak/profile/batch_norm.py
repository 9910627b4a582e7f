"""BatchNorm leakage: what the running statistics, sent along with the weights, tell of the batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fedleak.gradients.precision import in_dtype
from fedleak.learning.weights import NamedTensors
from fedleak.profile.subject import Subject
from fedleak.randomness import seeded

Leak = Literal["none", "withheld", "frozen", "mixed", "exact"]
"""No BatchNorm with statistics; statistics that did not come back; that did not move; a mean over several steps; the
batch's own."""
Statistics = dict[str, tuple[Float[Tensor, " channels"], Float[Tensor, " channels"]]]
"""Mean and unbiased variance of each layer's input."""
KINDS = ("running_mean", "running_var")


@dataclass(frozen=True, kw_only=True)
class BatchNormLeak:
    """The statistics of one message."""

    leak: Leak
    layers: int = 0
    numbers: int = 0
    """Means and variances that came back."""
    steps: int | None = None
    """Local steps, as `num_batches_tracked` counts them."""
    error: float | None = None
    """How far the recovered means are off, root mean square, in units of each channel's deviation: by the truth."""


def batch_norm_leak(subject: Subject) -> BatchNormLeak:
    """How well the batch's statistics follow from the buffers before and after training."""
    layers = _layers(subject.observation.task.network)
    if not layers:
        return BatchNormLeak(leak="none")
    before, after = subject.observation.before.buffers, subject.observation.buffers_after
    if after is None:
        return BatchNormLeak(leak="withheld", layers=len(layers))
    counted = {round(float(after[f"{n}.num_batches_tracked"] - before[f"{n}.num_batches_tracked"])) for n in layers}
    steps = max(counted)
    if steps == 0:
        return BatchNormLeak(leak="frozen", layers=len(layers), steps=0)
    recovered = {name: recover(before, after, name, layer.momentum) for name, layer in layers.items()}
    single = steps == 1 and len(subject.observation.cohort) == 1
    return BatchNormLeak(
        leak="exact" if single else "mixed",
        layers=len(layers),
        numbers=sum(2 * len(mean) for mean, _ in recovered.values()),
        steps=steps,
        error=_error(subject, recovered) if single and subject.truth is not None else None,
    )


def recover(
    before: NamedTensors, after: NamedTensors, layer: str, momentum: float | None
) -> tuple[Float[Tensor, " channels"], Float[Tensor, " channels"]]:
    """Mean and unbiased variance of the batch after one step: `μ = (r' - (1 - m) r) / m` for running statistics r.

    After several steps these are weighted means over their batches. Without a momentum torch averages over all batches
    so far, so m is one over their number. The error is about eps |r| / m.
    """
    share = momentum if momentum is not None else 1.0 / float(after[f"{layer}.num_batches_tracked"])
    pairs = [(before[f"{layer}.{kind}"].double(), after[f"{layer}.{kind}"].double()) for kind in KINDS]
    mean, variance = ((new - (1 - share) * old) / share for old, new in pairs)
    return mean, variance


def _error(subject: Subject, recovered: Statistics) -> float:
    true = _true_statistics(subject)
    squares = [((recovered[n][0] - mean) ** 2 / variance.clamp_min(1e-12)) for n, (mean, variance) in true.items()]
    return float(torch.cat(squares).mean().sqrt())


def _true_statistics(subject: Subject) -> Statistics:
    assert subject.truth is not None
    found: Statistics = {}
    weights = in_dtype(subject.observation.before, torch.float64)
    with _watching(subject.observation.task.network, found), torch.no_grad(), seeded("profile"):
        subject.observation.task.logits(weights, subject.truth.inputs.double(), mode="train")
    return found


@contextmanager
def _watching(network: nn.Module, statistics: Statistics) -> Iterator[None]:
    def note(name: str) -> Any:
        def read(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            channels = inputs[0].detach().transpose(0, 1).flatten(1)
            statistics[name] = (channels.mean(1), channels.var(1))

        return read

    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in _layers(network).items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _layers(network: nn.Module) -> dict[str, _BatchNorm]:
    """The layers that keep statistics."""
    named = network.named_modules()
    return {name: layer for name, layer in named if isinstance(layer, _BatchNorm) and layer.track_running_stats}
