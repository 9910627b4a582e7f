"""MixUp: training on convex combinations of examples."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Generator

from fedleak.contracts.defense import Defense, defenses
from fedleak.defenses.parts.mixtures import mixture, require_partners
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.settings.base import Rate
from fedleak.settings.federation import FederationSettings


@defenses.register("mixup")
@dataclass(frozen=True, kw_only=True)
class MixUp(Defense):
    """Trains on `l x_i + (1 - l) x_j` with labels mixed likewise, for each example i a random j of the same round.

    `l` is drawn from Beta(alpha, alpha) for each pair, once a round: all epochs see the same mixtures. A round of one
    example has nothing to mix it with, and a federation with such rounds is refused.
    """

    paper: ClassVar = "https://arxiv.org/abs/1710.09412"
    cites: ClassVar = "zhang2018mixup"
    adaptive_strategy: ClassVar[str] = "looks for labels that are mixtures together with the images"
    mixes_labels: ClassVar[bool] = True
    mixes_examples: ClassVar[bool] = True
    alpha: Rate = 1.0
    """Large values mix half and half, small ones hardly at all; the paper takes 1 on CIFAR, 0.1 to 0.4 on ImageNet."""

    def settings(self, federation: FederationSettings) -> FederationSettings:
        if federation.batches == 1 and federation.batch_size == 1:
            raise ConfigError(
                f"'{self.name}' mixes the examples of a round with each other, and one batch of one example has none "
                "to mix; raise federation.batch_size, or put 'larger-batches' before it in the chain"
            )
        return federation

    def require_examples(self, held: int) -> None:
        require_partners(self.name, held)

    def examples(self, task: Task, examples: Batch, rng: Generator) -> Batch:
        count = len(examples)
        numpy_rng = np.random.default_rng(int(torch.randint(2**62, (), generator=rng)))
        own = torch.from_numpy(numpy_rng.beta(self.alpha, self.alpha, count)).float()
        partners = torch.stack([torch.arange(count), torch.randperm(count, generator=rng)])
        return mixture(examples, task.classes, partners, torch.stack([own, 1 - own]))
