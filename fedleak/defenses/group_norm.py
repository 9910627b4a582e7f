"""Group normalization in place of batch normalization."""

from dataclasses import dataclass, replace
from math import gcd
from typing import ClassVar

import torch
from torch import nn

from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.layers import BatchNorm, batch_norms, copied
from fedleak.learning.task import Task
from fedleak.settings.base import Count


@defenses.register("group-norm")
@dataclass(frozen=True, kw_only=True)
class UseGroupNorm(Defense):
    """Normalizes every example by itself: BatchNorm layers become GroupNorm, which has no statistics to give away.

    Scales and shifts are taken over. The gradient then is a sum of terms that depend on one example each.
    """

    paper: ClassVar = "https://arxiv.org/abs/1910.00189"
    cites: ClassVar = "hsieh2020quagmire"
    adaptive_strategy: ClassVar[str] = "differentiates the network with the other layers, which is public"
    groups: Count = 32
    """Groups of channels at most; a layer has the greatest number that divides both this and its channels."""

    def require(self, task: Task) -> None:
        if not batch_norms(task.network):
            raise ConfigError(
                f"group-norm: '{task.name}' has no BatchNorm layer to replace; leave it out, or take a model that has, "
                "such as 'bn-convnet'"
            )

    def transform_task(self, task: Task) -> Task:
        network = copied(task.network)
        for place, layer in batch_norms(network).items():
            network.set_submodule(place, self._instead_of(layer))
        return replace(task, network=network)

    def _instead_of(self, layer: BatchNorm) -> nn.GroupNorm:
        channels = layer.num_features
        fresh = nn.GroupNorm(gcd(self.groups, channels), channels, eps=layer.eps, affine=layer.affine)
        fresh.train(layer.training)
        if layer.affine:
            with torch.no_grad():
                fresh.weight.copy_(layer.weight)
                fresh.bias.copy_(layer.bias)
        return fresh
