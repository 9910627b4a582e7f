"""Magnitude pruning of a model before it leaves."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.defense import Defense, defenses
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.settings.base import Share


@defenses.register("pruning")
@dataclass(frozen=True, kw_only=True)
class Pruning(Defense):
    """Sets the smallest `share` of a released model's weights to zero, all layers together; biases stay.

    What was hidden in these is gone, and the model is a little worse. Nothing is proved by it.
    """

    paper: ClassVar = "https://arxiv.org/abs/1805.12185"
    cites: ClassVar = "liu2018finepruning"
    share: Share = 0.5
    """Of the weights, by their absolute size."""

    def release(self, task: Task, weights: Weights, public: Batch | None, rng: Generator) -> Weights:
        matrices = {name: value for name, value in weights.parameters.items() if value.dim() > 1}
        sizes = torch.cat([value.abs().flatten() for value in matrices.values()]) if matrices else torch.zeros(0)
        count = int(self.share * len(sizes))
        level = sizes.kthvalue(count).values if count else -torch.ones(())
        kept = {
            name: value.masked_fill(value.abs() <= level, 0.0) if name in matrices else value.clone()
            for name, value in weights.parameters.items()
        }
        return Weights(kept, {name: value.clone() for name, value in weights.buffers.items()})
