"""BatchNorm statistics of a forward pass, and how far they are from what they should be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.learning.layers import copied
from fedleak.learning.task import Task
from fedleak.learning.weights import NamedTensors

Statistics = Float[Tensor, "2 channels"]
"""Mean and (biased) variance of each channel of what enters a layer."""
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Gauge:
    """A private copy of a task's network that shows what its BatchNorm layers see in each forward pass."""

    task: Task
    values: dict[str, int]
    """By layer, in the order of the network: over how many values of one example each channel's statistics go."""
    channels: dict[str, int]
    shown: NamedTensors = field(default_factory=dict)

    @classmethod
    def of(cls, observation: Observation) -> "Gauge":
        """The gauge for the model that was sent; layers that its forward pass leaves out are left out."""
        task = replace(observation.task, network=copied(observation.task.network))
        gauge = cls(task, {}, {})
        for name, layer in task.network.named_modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.register_forward_pre_hook(gauge._hook(name))
        with torch.no_grad():
            task.logits(observation.before.clone(), torch.zeros(1, *task.shape), mode="eval")
        gauge.shown.clear()
        return gauge

    def __bool__(self) -> bool:
        return bool(self.values)

    def read(self, _: Tensor) -> list[Statistics]:
        """The statistics of the pass that just ran, layer by layer."""
        shown = [self.shown[name] for name in self.values]
        self.shown.clear()
        return shown

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(_: nn.Module, entering: tuple[Tensor, ...]) -> None:
            value = entering[0]
            if name not in self.values:
                self.values[name] = value[0, 0].numel()
                self.channels[name] = value.shape[1]
            self.shown[name] = statistics(value)

        return look


def statistics(value: Float[Tensor, "batch channels *positions"]) -> Statistics:
    """Mean and variance of each channel over batch and positions."""
    along = [axis for axis in range(value.ndim) if axis != 1]
    variance, mean = torch.var_mean(value, along, correction=0)
    return torch.stack([mean, variance])


def apart(targets: Sequence[Statistics]) -> Callable[[Sequence[Tensor]], Float[Tensor, ""]]:
    """`Σ over layers |μ - μ*| + |σ² - σ²*|`, Euclidean lengths over channels. Source: https://arxiv.org/abs/2104.07586"""

    def penalty(shown: Sequence[Tensor]) -> Tensor:
        squares = [(one - target).square().sum(1) for one, target in zip(shown, targets, strict=True)]
        return (torch.stack(squares) + _TINY).sqrt().sum()

    return penalty


def relatively_apart(targets: Sequence[Statistics]) -> Callable[[Sequence[Tensor]], Float[Tensor, ""]]:
    """Mean over layers and channels of `(μ - μ*)² / σ²* + (σ² / σ²* - 1)²`: every layer and channel counts alike."""

    def penalty(shown: Sequence[Tensor]) -> Tensor:
        each = []
        for one, target in zip(shown, targets, strict=True):
            spread = target[1] + 1e-2 * target[1].mean() + _TINY
            each.append(((one[0] - target[0]).square() / spread + ((one[1] - target[1]) / spread).square()).mean())
        return torch.stack(each).mean()

    return penalty
