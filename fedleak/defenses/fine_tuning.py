"""Fine-tuning of a model on public data before it leaves."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator

from fedleak.contracts.defense import Defense, defenses
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.learning.weights import Weights
from fedleak.settings.base import Count, Rate


@defenses.register("fine-tuning")
@dataclass(frozen=True, kw_only=True)
class FineTuning(Defense):
    """Trains a released model for `steps` more steps of SGD on the operator's public data.

    Every parameter that gets a gradient moves by more than its lowest bits, so that what was written there is gone.
    Those that get none, as behind units that are dead on public data, keep what they hold. Nothing is proved by it.
    """

    paper: ClassVar = "https://arxiv.org/abs/1805.12185"
    cites: ClassVar = "liu2018finepruning"
    steps: Count = 20
    batch_size: Count = 32
    learning_rate: Rate = 0.05

    def release(self, task: Task, weights: Weights, public: Batch | None, rng: Generator) -> Weights:
        if public is None or not len(public):
            raise ConfigError(
                f"{self.name}: expected public data to train on, and the task has none; take round-weights, or give it "
                "public examples"
            )
        wanted = self.steps * self.batch_size
        passes = -(-wanted // len(public))
        order = torch.cat([torch.randperm(len(public), generator=rng) for _ in range(passes)])[:wanted]
        training = LocalTraining(
            batch_size=self.batch_size, batches=self.steps, learning_rate=self.learning_rate, mode="train"
        )
        seed = int(torch.randint(2**62, (), generator=rng))
        return train_locally(task, weights, public[order], training, ("fine-tuning", seed))
