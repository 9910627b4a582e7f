"""Stacked defenses: what clients of many federations do against leaks while they train, all of them at once."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Generator, Tensor, nn
from torch.func import vmap
from torch.overrides import TorchFunctionMode

from fedleak.learning.facts import Mode
from fedleak.learning.stacked_convolutions import StackedConvolutions, laid_out
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import seeded

_SHORTEST = 1e-12
"""A gradient that is shorter is as good as zero."""


@dataclass(frozen=True, kw_only=True)
class StackedDefense:
    """Norms that are clipped to and noise that is added, in a local step and to what a client sends."""

    example_norm: float | None = None
    """Greatest norm of the gradient of one example, as DP-SGD has it; None: a step follows the batch's own gradient."""
    example_noise: float = 0.0
    """Standard deviation of the noise on the sum of a batch, in units of a gradient; only where that is clipped."""
    update_norm: float = math.inf
    """Greatest norm of the change that a client sends."""
    update_noise: float = 0.0
    """Standard deviation of the noise in an entry of that, in units of a weight."""

    def scales(self, lengths: Float[Tensor, "models batch"]) -> Float[Tensor, "models batch"]:
        """What the gradient of each example is multiplied by, from its norm."""
        assert self.example_norm is not None
        return _factors(self.example_norm, lengths)

    def noised(self, sums: NamedTensors, batch: int, rng: Generator) -> NamedTensors:
        """What a step follows, from the sums over so many clipped gradients."""
        return {name: _noised(value, self.example_noise, rng) / batch for name, value in sums.items()}

    def sent(self, changes: NamedTensors, rng: Generator) -> NamedTensors:
        """What clients send of changes by (client)."""
        if math.isfinite(self.update_norm):
            scales = _factors(self.update_norm, _lengths(changes, 1))
            changes = {name: value * scales.view(-1, *[1] * (value.dim() - 1)) for name, value in changes.items()}
        return {name: _noised(value, self.update_noise, rng) for name, value in changes.items()}


def _lengths(stacked: NamedTensors, dims: int) -> Float[Tensor, "*stack"]:
    """Euclidean norms over all tensors."""
    lengths = [torch.linalg.vector_norm(value.flatten(dims), dim=dims) for value in stacked.values()]
    return torch.stack(lengths).square().sum(0).sqrt()


def _factors(norm: float, lengths: Float[Tensor, "*stack"]) -> Float[Tensor, "*stack"]:
    """What scales down to a norm, and no shorter ones."""
    return torch.clamp(norm * lengths.clamp_min(_SHORTEST).reciprocal(), max=1.0)


def _noised(values: Tensor, std: float, rng: Generator) -> Tensor:
    return values + std * torch.randn(values.shape, generator=rng) if std else values


def _by_example(defenses: Sequence[StackedDefense]) -> StackedDefense | None:
    return next((defense for defense in defenses if defense.example_norm is not None), None)


def copies_of(task: Task, defenses: Sequence[StackedDefense], batch: int) -> int:
    """How many times the memory of a model its step takes."""
    return 1 if _by_example(defenses) is None or _linear_layers(task) is not None else batch


def stacked_gradients(
    task: Task,
    at: NamedTensors,
    inputs: Float[Tensor, "models batch *shape"],
    labels: Num[Tensor, "models batch *classes"],
    mode: Mode,
    defenses: Sequence[StackedDefense],
    rng: Generator,
) -> NamedTensors:
    """What each model's step follows: the gradient of its own batch, or what one of the defenses makes of it."""
    buffers = Weights.of(task.network).buffers
    by_example = _by_example(defenses)

    def loss(parameters: NamedTensors, inputs: Tensor, labels: Tensor) -> Tensor:
        return task.loss(Weights(parameters, buffers), inputs, labels, mode=mode)

    def single(parameters: NamedTensors, inputs: Tensor, labels: Tensor) -> Tensor:
        scores = task.logits(Weights(parameters, buffers), inputs[None], mode=mode)
        return task.criterion.each(scores, labels[None]).sum()

    if by_example is None:
        return _slopes(loss, at, inputs, labels)
    batch, layers = inputs.shape[1], _linear_layers(task)
    if layers is not None:
        return by_example.noised(_clipped_sums(task, layers, at, inputs, labels, mode, by_example), batch, rng)
    # A model for each example, as if there were so many.
    apart = {name: laid_out(value.detach().repeat_interleave(batch, 0)).requires_grad_() for name, value in at.items()}
    slopes = _slopes(single, apart, inputs.flatten(0, 1), labels.flatten(0, 1))
    singles = {name: value.reshape(-1, batch, *value.shape[1:]) for name, value in slopes.items()}
    scales = by_example.scales(_lengths(singles, 2))
    sums = {name: torch.bmm(scales[:, None], value.flatten(2))[:, 0] for name, value in singles.items()}
    shaped = {name: value.view(-1, *singles[name].shape[2:]) for name, value in sums.items()}
    return by_example.noised(shaped, batch, rng)


class _Tapped(TorchFunctionMode):
    """Within it what goes into each linear layer is kept, and a summand is added to what comes out, where given."""

    def __init__(self, added: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self.added, self.seen = added, list[tuple[Tensor, Tensor]]()

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func is not F.linear:
            return found
        place = len(self.seen)
        self.seen.append((args[0], args[1]))
        return found + self.added[place] if self.added else found


def _linear_layers(task: Task) -> list[str] | None:
    """The linear layers in the order in which they are called; None for a network with anything else to train.

    None as well where a layer is called several times, or with more than a vector of each example.
    """
    of = {name: module for name, module in task.network.named_modules() if list(module.parameters(recurse=False))}
    if any(type(module) is not nn.Linear for module in of.values()):
        return None
    weights = Weights.of(task.network)
    with _Tapped() as tapped, torch.no_grad(), seeded("the order of layers"):
        task.logits(weights, torch.zeros(2, *task.shape), mode="eval")
    called = {id(weight): inputs.dim() for inputs, weight in tapped.seen}
    names = {id(module.weight): name for name, module in of.items()}
    once = len(tapped.seen) == len(called) == len(of) and set(called) == set(names)
    return [names[one] for one in called] if once and set(called.values()) == {2} else None


def _clipped_sums(
    task: Task,
    layers: Sequence[str],
    at: NamedTensors,
    inputs: Tensor,
    labels: Tensor,
    mode: Mode,
    defense: StackedDefense,
) -> NamedTensors:
    """Sums over clipped gradients of linear layers, none of which is ever written out.

    That of one example is the product of what goes in and of the slope of what comes out, and so is its norm.
    """
    buffers = Weights.of(task.network).buffers
    weights = [at[f"{name}.weight".lstrip(".")] for name in layers]
    added = [inputs.new_zeros(*inputs.shape[:2], weight.shape[1]).requires_grad_() for weight in weights]

    def loss(parameters: NamedTensors, inputs: Tensor, labels: Tensor, added: list[Tensor]) -> Any:
        with _Tapped(added) as tapped:
            scores = task.logits(Weights(parameters, buffers), inputs, mode=mode)
        return task.criterion.each(scores, labels).sum(), [seen for seen, _ in tapped.seen]

    fixed = {name: value.detach() for name, value in at.items()}
    total, seen = vmap(loss, randomness="different")(fixed, inputs, labels, added)
    slopes = torch.autograd.grad(total.sum(), added)
    with torch.no_grad():
        squares = torch.zeros(inputs.shape[:2])
        for name, went_in, slope in zip(layers, seen, slopes, strict=True):
            biased = f"{name}.bias".lstrip(".") in at
            squares = squares + (went_in.square().sum(2) + biased) * slope.square().sum(2)
        scales = defense.scales(squares.sqrt())
        sums: NamedTensors = {}
        for name, went_in, slope in zip(layers, seen, slopes, strict=True):
            scaled = scales[:, :, None] * slope
            sums[f"{name}.weight".lstrip(".")] = torch.bmm(scaled.transpose(1, 2), went_in)
            if f"{name}.bias".lstrip(".") in at:
                sums[f"{name}.bias".lstrip(".")] = scaled.sum(1)
    return {name: sums[name] for name in at}


def sent_after(
    before: NamedTensors, after: NamedTensors, defenses: Sequence[StackedDefense], rng: Generator
) -> NamedTensors:
    """The weights that clients would have come to by what they send; the very same where no defense changes that."""
    changing = [one for one in defenses if math.isfinite(one.update_norm) or one.update_noise]
    if not changing:
        return after
    changes = {name: value - before[name] for name, value in after.items()}
    for defense in changing:
        changes = defense.sent(changes, rng)
    return {name: before[name] + value for name, value in changes.items()}


def _slopes(loss: Callable[..., Tensor], at: NamedTensors, inputs: Tensor, labels: Tensor) -> NamedTensors:
    with StackedConvolutions():
        total = vmap(loss, randomness="different")(at, inputs, labels).sum()
    slopes = torch.autograd.grad(total, list(at.values()), materialize_grads=True)
    return dict(zip(at, slopes, strict=True))
