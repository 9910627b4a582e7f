"""Layers that a ReLU follows, whose units can be made dead, and what a network's gradient then says of its inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from fedleak.learning.layers import BatchNorm
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator, seeded

PROBES = 8
"""Random examples by which it is tried what a network says of its inputs."""
LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers with a row of weights for each unit."""
GATES = frozenset({
    functional.relu, functional.relu_, functional.relu6, functional.hardtanh, functional.hardtanh_,
    torch.relu, torch.relu_, Tensor.relu, Tensor.relu_,
})  # fmt: skip
"""Functions with no slope at some values, and a slope at others."""


@dataclass(frozen=True, kw_only=True)
class Rectified:
    """A layer whose outputs go straight into a ReLU."""

    weight: str
    bias: str | None
    has_rows: bool
    """Whether a unit has a row of weights for what enters it; that of a BatchNorm has one number."""

    def killed(self, weights: Weights, units: Int[Tensor, " some"] | None = None) -> Weights:
        """The weights with units of the layer dead on every input, some of them or all: weight 0 and bias -1.

        Without a bias they are dead at 0, where torch's ReLU has no slope.
        """
        values = {self.weight: 0.0} if self.bias is None else {self.weight: 0.0, self.bias: -1.0}
        changed = {name: _filled(weights.parameters[name], value, units) for name, value in values.items()}
        return Weights({**weights.parameters, **changed}, weights.buffers)

    def dead(self, weights: Weights) -> Bool[Tensor, " units"]:
        """Which of the units are dead on every input: those without a weight whose bias is not above 0.

        Of others, whose bias may be low and whose weights are not 0, some input may be above it.
        """
        values = weights.parameters[self.weight]
        silent = ~values.reshape(len(values), -1).any(1)
        return silent if self.bias is None else silent & (weights.parameters[self.bias] <= 0)


def _filled(values: Tensor, value: float, units: Tensor | None) -> Tensor:
    return torch.full_like(values, value) if units is None else values.index_fill(0, units, value)


@dataclass(frozen=True)
class _Call:
    """A layer without layers of its own, as it was run."""

    layer: nn.Module
    entered: object
    left: object


def rectified_layers(task: Task) -> list[Rectified]:
    """The layers that are run once and give what they give to a ReLU, in the order in which they are run.

    A ReLU that is no module of its own cannot be seen.
    """
    calls = _calls(task)
    names = {id(module): name for name, module in task.network.named_modules()}
    trained = {name for name, value in task.network.named_parameters() if value.requires_grad}
    found = []
    for call in calls:
        once = sum(other.layer is call.layer for other in calls) == 1
        rectified = any(isinstance(other.layer, nn.ReLU) and other.entered is call.left for other in calls)
        weight, bias = (f"{names[id(call.layer)]}.{kind}".removeprefix(".") for kind in ("weight", "bias"))
        if once and rectified and isinstance(call.layer, (*LINEAR, BatchNorm)) and weight in trained:
            named = bias if bias in trained else None
            found.append(Rectified(weight=weight, bias=named, has_rows=isinstance(call.layer, LINEAR)))
    return found


def _calls(task: Task) -> list[_Call]:
    """What is run on some examples, in order."""
    calls: list[_Call] = []
    leaves = [module for module in task.network.modules() if not any(module.children())]
    hooks = [
        leaf.register_forward_hook(lambda layer, entered, left: calls.append(_Call(layer, entered[0], left)))
        for leaf in leaves
    ]
    try:
        with torch.no_grad(), seeded("calls"):
            task.outputs(Weights.of(task.network).clone(), _inputs(task))
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def silent_parameters(task: Task, weights: Weights) -> frozenset[str]:
    """The parameters whose gradient is zero in every entry, whatever the inputs: what is dead says nothing of any."""
    return frozenset(name for name, value in _gradient_of_open(task, weights).items() if not value.any())


def silent_entries(task: Task, weights: Weights) -> NamedTensors:
    """By parameter, 1 where its gradient is zero whatever the inputs, else 0: those parameters, and rows of dead units.

    It is proved, not tried: by zeros in the weights, never by a ReLU that no example happened to open.
    """
    gradient = _gradient_of_open(task, weights)
    silent = {name: torch.full_like(value, not value.any()) for name, value in gradient.items()}
    for layer in rectified_layers(task):
        dead = layer.dead(weights)
        for name in filter(None, (layer.weight, layer.bias)):
            quiet = dead & ~gradient[name].reshape(len(dead), -1).any(1)
            silent[name] = silent[name].index_fill(0, quiet.nonzero().flatten(), 1.0)
    return silent


def _gradient_of_open(task: Task, weights: Weights) -> NamedTensors:
    """The gradient on random examples where every ReLU is open whose input depends on the examples.

    In a network of open ReLUs with slopes at random an entry is zero on random examples where no path leads through it,
    and then it is so on all, by whichever ReLUs are closed too.
    """
    inputs, labels = _inputs(task), torch.arange(PROBES) % task.classes
    if task.criterion.several_labels:
        labels = functional.one_hot(labels, task.classes)
    with seeded("silent parameters"), _Open():
        return task.gradients(weights.clone(), inputs, labels)


class _Open(TorchFunctionMode):
    """Opens ReLUs, modules or not: but for units at which all examples of the batch have the same value.

    What does not depend on the examples stays closed or open, as it is on all.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = {} if kwargs is None else kwargs
        if func not in GATES:
            return func(*args, **given)
        entered = args[0].clone()
        fixed = (entered == entered[:1]).all(0)
        low, high = entered.detach().aminmax()
        slopes = 0.5 + torch.rand(entered.shape[1:], dtype=entered.dtype)
        opened = slopes * (entered - low) / (high - low).clamp_min(torch.finfo(entered.dtype).tiny)
        return torch.where(fixed, func(*args, **given), opened)


def _inputs(task: Task) -> Tensor:
    return task.space.uniform(PROBES, generator("probes of a network"))
