"""Soteria: pruning of the features that say most of the input."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.dense import dense_layers, require_dense_layer
from fedleak.learning.layers import copied, twice_differentiable
from fedleak.learning.task import Task
from fedleak.learning.training import Step
from fedleak.learning.update import Update
from fedleak.learning.weights import NamedTensors
from fedleak.settings.base import Count, Share

AT_ONCE = 32
"""Features, or probes, whose derivatives are computed in one call."""
Features = Callable[[Tensor], Tensor]
"""From images to the features that enter the layer."""


@defenses.register("soteria")
@dataclass(frozen=True, kw_only=True)
class Soteria(Defense):
    """Prunes the features that enter the first dense layer and say most of the input; only its weights notice.

    Those are the `fraction` of them with the smallest ‖dr/dX‖ / |r| (summed over the batch); their columns of that
    layer's weight gradient become zero, all else stays exact. Features that are zero themselves are pruned first, as
    in the authors' code: pruning them changes nothing. Attackers who leave out zero columns see an exact gradient.
    """

    paper: ClassVar = "https://arxiv.org/abs/2012.06043"
    cites: ClassVar = "sun2021soteria"
    adaptive_strategy: ClassVar[str] = "matches the columns that were not pruned alone"
    fraction: Share = 0.8
    """Share of the features that is pruned."""
    probes: Count | None = 64
    """Random directions of the images that slopes are measured along, to about a tenth; None: slopes are exact, as in
    the paper, for as many backward passes as there are features."""

    def require(self, task: Task) -> None:
        require_dense_layer(task, self.name)

    def gradient(self, step: Step, rng: Generator) -> NamedTensors:
        gradient, layer = step.gradient(), dense_layers(step.task.network)[0]
        weight = f"{layer}.weight".removeprefix(".")
        sensitivity = feature_sensitivity(step, layer, self.probes, rng)
        pruned = sensitivity.argsort(stable=True)[: int(self.fraction * len(sensitivity))]
        return {**gradient, weight: gradient[weight].index_fill(1, pruned, 0.0)}

    def observed_mask(self, sent: Update) -> NamedTensors | None:
        """The first matrix counts where its columns are not zero: exact after one step, and nearly after several."""
        if self.fraction == 0:
            return None
        everything = {name: torch.ones_like(value, dtype=torch.bool) for name, value in sent.tensors.items()}
        matrices = [name for name, value in sent.tensors.items() if value.ndim == 2 and name.endswith("weight")]
        return {**everything, **{name: _live(sent.tensors[name]) for name in matrices[:1]}}


@twice_differentiable()
def feature_sensitivity(step: Step, layer: str, probes: int | None, rng: Generator) -> Float[Tensor, " features"]:
    """‖dr/dX‖ / |r| of each feature r that enters a layer, summed over the batch X; the network is in eval mode."""
    network, seen = copied(step.task.network), list[Tensor]()
    network.get_submodule(layer).register_forward_pre_hook(lambda _, entering: seen.append(entering[0]))
    task = replace(step.task, network=network)

    def features(inputs: Tensor) -> Tensor:
        """By image and feature, the sum over positions if there are any."""
        seen.clear()
        task.logits(step.weights.clone(), inputs, mode="eval")
        return seen[0].flatten(1, -2).sum(1) if seen[0].ndim > 2 else seen[0]

    inputs = step.examples.inputs
    slopes = _exact(features, inputs) if probes is None else _probed(features, inputs, probes, rng)
    with torch.no_grad():
        features(inputs)
    sizes = seen[0].flatten(1, -2).norm(dim=1) if seen[0].ndim > 2 else seen[0].abs()
    ratios: Tensor = (slopes / (sizes + 1e-10)).sum(0)
    return ratios


def _probed(features: Features, inputs: Tensor, probes: int, rng: Generator) -> Float[Tensor, "batch features"]:
    """The length of each feature's slope: the root mean square of slopes along directions from N(0, 1)."""
    inputs = inputs.detach().clone().requires_grad_()
    entering = features(inputs)
    weights = torch.zeros_like(entering, requires_grad=True)
    # Along directions by going back twice: the way back is linear in these weights.
    back = torch.autograd.grad(entering, inputs, weights, create_graph=True)[0]
    directions = torch.randn(probes, *inputs.shape, generator=rng).to(inputs.device)
    squares: Tensor = torch.stack(
        [
            torch.autograd.grad(back, weights, some, retain_graph=True, is_grads_batched=True)[0].square().sum(0)
            for some in torch.split(directions, AT_ONCE)
        ]
    ).sum(0)
    return (squares / probes).sqrt()


def _exact(features: Features, inputs: Tensor) -> Float[Tensor, "batch features"]:
    inputs = inputs.detach().clone().requires_grad_()
    summed = features(inputs).sum(0)
    steep = [
        torch.autograd.grad(summed, inputs, ones, retain_graph=True, is_grads_batched=True)[0]
        for ones in torch.split(torch.eye(len(summed), dtype=summed.dtype, device=summed.device), AT_ONCE)
    ]
    return torch.cat([each.flatten(2).norm(dim=2) for each in steep]).T


def _live(weight: Float[Tensor, "outputs features"]) -> Bool[Tensor, "outputs features"]:
    return weight.any(0).expand_as(weight)
