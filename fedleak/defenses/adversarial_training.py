"""Adversarial training: local steps on the worst images within a small distance of the client's own."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from fedleak.contracts.defense import Defense, defenses
from fedleak.learning.batch import Batch
from fedleak.learning.training import Step
from fedleak.learning.weights import NamedTensors
from fedleak.settings.base import Count, Rate


@defenses.register("adversarial-training")
@dataclass(frozen=True, kw_only=True)
class AdversarialTraining(Defense):
    """Trains on images that projected gradient ascent made harder, each value at most `epsilon` from where it was.

    The ascent starts at random within that distance, and follows the sign of the loss's slope. The model then bears
    with small changes of its inputs; of its training data it tells no less, rather more
    (https://arxiv.org/abs/1906.06449). Whoever matches gradients finds the image that was trained on, which is within
    `epsilon` of the client's own: he knows the ascent, and not where it began. Nothing private is hidden, so nothing is
    proved.
    """

    paper: ClassVar = "https://arxiv.org/abs/1706.06083"
    cites: ClassVar = "madry2018towards"
    epsilon: Rate = 0.1
    """Greatest change of a value, as a share of its range."""
    steps: Count = 7
    """Steps of the ascent, as the paper has on CIFAR."""
    pace: Rate = 0.25
    """How far each of them goes, as a share of epsilon."""

    @property
    def caveat(self) -> str:
        return "it resists small changes of inputs, and keeps nothing of the training data back"

    def gradient(self, step: Step, rng: Generator) -> NamedTensors:
        return replace(step, examples=self.hardest(step, rng)).gradient()

    def hardest(self, step: Step, rng: Generator) -> Batch:
        """The step's examples after the ascent; its weights and buffers are left alone."""
        space, own = step.task.space, step.examples.inputs
        reach = self.epsilon * space.extent
        drawn = (2 * torch.rand(own.shape, generator=rng) - 1).to(own)
        inputs = space.clamped(own + reach * drawn)
        for _ in range(self.steps):
            moved = inputs + self.pace * reach * self._slope(step, inputs).sign()
            inputs = space.clamped(torch.clamp(moved, own - reach, own + reach))
        return replace(step.examples, inputs=inputs)

    def _slope(self, step: Step, inputs: Tensor) -> Tensor:
        leaf = inputs.detach().requires_grad_()
        # A copy: in train mode BatchNorm writes to the buffers.
        loss = step.task.loss(step.weights.clone(), leaf, step.examples.labels, mode=step.mode)
        (slope,) = torch.autograd.grad(loss, leaf)
        return slope
