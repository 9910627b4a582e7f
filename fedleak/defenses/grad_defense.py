"""GradDefense: Gaussian noise on random slices of the gradient."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.layers import twice_differentiable
from fedleak.learning.task import Task
from fedleak.learning.training import Step
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import NamedTensors
from fedleak.settings.base import Amount

WINDOW = 32
"""Entries in a row that are likely in one slice."""
QUIET = 0.1
"""Share of the windows that an attacker trusts to be free of noise."""
LOUD, EVIDENT = 0.3, 0.01
"""Noise is as loud everywhere, where a gradient has few peaks: it is told by how many windows come near the loudest."""


@defenses.register("grad-defense")
@dataclass(frozen=True, kw_only=True)
class GradDefense(Defense):
    """Adds Gaussian noise to some random slices of the gradient; slices are shorter where it depends more on the data.

    All entries in a row are cut into `slices` pieces of the same sensitivity: that of a layer is ‖d(Σ gradient)/dX‖,
    the mean over examples, spread evenly over its entries. `perturbed` of the pieces, drawn in each local step, get
    noise of standard deviation `scale`. Differences from the authors' code: sensitivity is that of the client's own
    examples in place of public ones, in eval mode; slices may end anywhere; and there is no compensation: the server
    can filter noise out of an update (by its spectrum), but what it has seen it has seen.
    """

    paper: ClassVar = "https://github.com/wangjunxiao/GradDefense"
    cites: ClassVar = "wang2022protect"
    adaptive_strategy: ClassVar[str] = "gives up on stretches of the update that do not fit"
    slices: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    """Pieces of equal sensitivity."""
    perturbed: Annotated[int, Field(ge=0)] = 5
    """How many of them get noise."""
    scale: Amount = 0.1
    """Standard deviation of the noise in units of a gradient's entry."""

    def require(self, task: Task) -> None:
        if self.perturbed > self.slices:
            raise ConfigError(
                f"'{self.name}' can perturb at most all {self.slices} slices, got perturbed = {self.perturbed}; "
                "lower it or cut more slices"
            )

    def gradient(self, step: Step, rng: Generator) -> NamedTensors:
        update = Update(step.gradient(), UpdateKind.GRADIENT)
        if self.scale == 0 or self.perturbed == 0:
            return update.tensors
        vector = update.vector()
        places = self._slices(update, sensitivities(step))
        chosen = torch.randperm(self.slices, generator=rng)[: self.perturbed].to(vector.device)
        noise = self.scale * torch.randn(vector.shape, generator=rng).to(vector.device)
        return update.with_vector(vector + noise * torch.isin(places, chosen)).tensors

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:
        """Robust to slices that are off: the sum of `log(1 + square / floor)`, of mean squares over windows of entries.

        The floor is what quiet windows of the update have. Noise that does not stand out is small, and a distance does
        better there. Not a density: how long the noise is on the update is for the learning rate to say.
        """
        if self.scale == 0 or self.perturbed == 0:
            return None
        energy = energies(sent.vector())
        if (energy > LOUD * energy.max()).float().mean() < EVIDENT or not energy.any():
            return None
        floor = energy[energy > 0].quantile(QUIET).clamp_min(1e-30)
        return torch.log1p(energies(given.vector() - sent.vector()) / floor).sum()

    def _slices(self, update: Update, sensitivity: NamedTensors) -> Int[Tensor, " entries"]:
        """Which slice each entry is in."""
        each = [
            (sensitivity[name].double() / value.numel()).expand(value.numel()) for name, value in update.tensors.items()
        ]
        before = torch.cat(each).cumsum(0)
        return (before / before[-1].clamp_min(1e-300) * self.slices).long().clamp_max(self.slices - 1)


def sensitivities(step: Step) -> NamedTensors:
    """By parameter, how much the sum of its gradient's entries moves with the data: ‖d(Σ gradient)/dX‖, mean over X."""
    inputs = step.examples.inputs.detach().clone().requires_grad_()
    with twice_differentiable():
        slopes = step.task.gradients(step.weights.clone(), inputs, step.examples.labels, mode="eval", create_graph=True)
    return {name: _moves(slope.sum(), inputs) for name, slope in slopes.items()}


def _moves(total: Float[Tensor, ""], inputs: Float[Tensor, "batch *shape"]) -> Float[Tensor, ""]:
    (by,) = torch.autograd.grad(total, inputs, retain_graph=True, materialize_grads=True)
    lengths: Tensor = by.flatten(1).norm(dim=1)
    return lengths.mean()


def energies(vector: Float[Tensor, " entries"]) -> Float[Tensor, " windows"]:
    """Mean squares over windows of entries in a row."""
    padded = F.pad(vector, (0, -len(vector) % WINDOW))
    return padded.reshape(-1, WINDOW).square().mean(1)
