"""CENSOR: the gradient replaced by orthogonal directions."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.learning.training import Step
from fedleak.learning.update import Update
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.settings.base import Rate


@defenses.register("censor")
@dataclass(frozen=True, kw_only=True)
class Censor(Defense):
    """Replaces each layer's gradient by a random direction orthogonal to it and as long: the best of some `trials`.

    The best is that with the lowest loss after a step of `trial_rate`. To first order it goes downhill by luck alone.
    An attacker has two equations for each tensor, the length of the gradient and a direction that it is orthogonal to:
    enough for the label of one example (`orthogonal-rows`), and for more of its image than guessing gives. Differences
    from the authors' code: the projection is taken off whole whatever the gradient's length; and where no trial lowers
    the loss the best one is still sent, in place of the gradient itself. A layer of one entry has no other direction
    and becomes zero.
    """

    paper: ClassVar = "https://arxiv.org/abs/2501.15718"
    cites: ClassVar = "zhang2025censor"
    adaptive_strategy: ClassVar[str] = (
        "reads the label of one example off two equations a tensor, and estimates its image from them by public "
        "examples; without such, matches the lengths"
    )
    trials: Annotated[int, Field(ge=0, le=100_000)] = 20
    """Directions that are tried in each local step; 0 sends the gradient as it is."""
    trial_rate: Rate = 1e-4
    """Learning rate of the steps that they are compared by."""

    def gradient(self, step: Step, rng: Generator) -> NamedTensors:
        best, lowest = step.gradient(), torch.inf
        plain = best
        for _ in range(self.trials):
            tried = {name: orthogonal(value, rng) for name, value in plain.items()}
            loss = self._loss_after(step, tried)
            if loss < lowest or best is plain:
                best, lowest = tried, loss
        return best

    def _loss_after(self, step: Step, direction: NamedTensors) -> float:
        moved = {name: value - self.trial_rate * direction[name] for name, value in step.weights.parameters.items()}
        weights, examples = Weights(moved, step.weights.buffers), step.examples
        with torch.no_grad():
            return float(step.task.loss(weights, examples.inputs, examples.labels, mode="eval"))

    @property
    def orthogonal(self) -> bool:
        return self.trials > 0

    def negative_log_likelihood(self, given: Update, sent: Update) -> Float[Tensor, ""] | None:
        """How long each tensor of the update was. The inner products are left out: a dummy image of any look is soon
        orthogonal to a random direction, and one that is pulled there gets further from the true one."""
        if self.trials == 0:
            return None
        pairs = [(given.tensors[name].norm(), value.norm()) for name, value in sent.tensors.items() if value.any()]
        return torch.stack([(one / other - 1).square() for one, other in pairs]).sum() if pairs else None


def orthogonal(gradient: Float[Tensor, "*shape"], rng: Generator) -> Float[Tensor, "*shape"]:
    """A uniformly random direction among those orthogonal to a gradient, as long as that."""
    length = gradient.norm()
    if gradient.numel() == 1 or length == 0:
        return torch.zeros_like(gradient)
    along = gradient / length
    drawn = torch.randn(gradient.shape, generator=rng).to(gradient)
    for _ in range(2):  # once more for what rounding left
        drawn = drawn - (drawn * along).sum() * along
    scaled: Tensor = drawn * (length / drawn.norm())
    return scaled
