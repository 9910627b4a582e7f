"""Label counts of several local steps, by interpolation between the weights before and after them."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.settings.base import Count

from ..parts.classifier_head.gradient import head_gradient, weights_after
from ..parts.classifier_head.label_rule import LabelRule, as_labels, local_steps, require, whole_counts
from ..parts.classifier_head.outputs import HeadView, view


@attacks.register("dimitrov-counts")
@dataclass(frozen=True, kw_only=True)
class DimitrovCounts(LabelRule):
    """Counts the classes of several local steps: `geng-counts` at each step, averaged over the steps.

    What noise images give at the weights before and after training is interpolated for the steps in between, and each
    step is taken to have done the same share of the update. Of one step it is `geng-counts`.
    """

    paper: ClassVar = "https://arxiv.org/abs/2206.12395"
    cites: ClassVar = "dimitrov2022data"
    images: Count = 64
    """Images of noise."""

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:
        require(observation, one_sign=True, length=True)
        steps, examples = local_steps(observation), observation.examples()
        sums = head_gradient(observation).weight.sum(1)
        noise = observation.task.space.uniform(self.images, rng)
        both = (observation.before, weights_after(observation))
        first, last = (_summary(view(observation, noise, weights)) for weights in both)
        done = torch.arange(steps, dtype=torch.float64)[:, None] / steps
        posterior, size = ((1 - done) * start + done * end for start, end in zip(first, last, strict=True))
        return as_labels(whole_counts(examples * (posterior - sums / size).mean(0), examples))


def _summary(seen: HeadView) -> tuple[Float[Tensor, " classes"], Float[Tensor, ""]]:
    """The mean posterior and the mean sum of a feature vector."""
    assert seen.features is not None
    return seen.posteriors.mean(0), seen.features.sum(1).mean()
