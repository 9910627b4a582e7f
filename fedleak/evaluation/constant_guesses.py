"""Dictionary attack without an update: how often the best constant image passes for an image that nobody has seen.

What a bound on reconstruction starts from: the success of the best guess that is made blindly.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Float64
from scipy.special import betaincinv
from torch import Tensor

from fedleak.contracts.metric import ExampleMetric
from fedleak.data.splits import Splits
from fedleak.evaluation.references import leakage
from fedleak.learning.batch import Batch, class_means
from fedleak.randomness import generator

MOST = 400
"""Public examples that constants are made from, and held-out ones that they are tried on, at most."""
CONSTANTS = 32
"""Constants that are tried beside the means: those that come nearest to many public examples."""
NEAR = 0.05
"""The share of the public examples that a constant should come near to."""
TAIL = 0.025


@dataclass(frozen=True, kw_only=True)
class BlindSuccess:
    """The successes of the best of some constant guesses on held-out examples."""

    hits: int
    trials: int
    constants: int
    """How many were tried, the best of which this is."""

    @property
    def share(self) -> float:
        """Of the trials; NaN without any."""
        return self.hits / self.trials if self.trials else float("nan")

    @property
    def at_most(self) -> float:
        """The upper 97.5% limit that holds for all constants at once (Clopper-Pearson, Bonferroni)."""
        if self.hits >= self.trials:
            return 1.0
        return float(betaincinv(self.hits + 1, self.trials - self.hits, 1 - TAIL / self.constants))


UNKNOWN = BlindSuccess(hits=0, trials=0, constants=0)
"""Where there is nothing to try guesses on: anything may be."""


def blind_success(metric: ExampleMetric, splits: Splits, threshold: float) -> BlindSuccess:
    """Constants are made from public examples and tried on the test set, which no adversary holds and nobody trains on.

    They are public examples, their colors, the mean of each class and of all, and grays.
    """
    values = blind_values(metric, splits)
    if values is None:
        return UNKNOWN
    sign = 1.0 if metric.higher_is_better else -1.0
    hits = (values >= sign * threshold).sum(dim=0)
    return BlindSuccess(hits=int(hits.max()), trials=values.shape[0], constants=values.shape[1])


@lru_cache(maxsize=32)
def blind_values(metric: ExampleMetric, splits: Splits) -> Float64[Tensor, "unseen constants"] | None:
    """What constants get of unseen examples, negated where less is better; None where nothing can be judged."""
    public, unseen = _some(splits.auxiliary), _some(splits.test)
    if metric.inapplicable(unseen) is not None:
        return None
    constants = _constants(public)
    return leakage(metric, constants.expand(len(unseen), *constants.shape), unseen)


def _some(examples: Batch) -> Batch:
    return examples[torch.randperm(len(examples), generator=generator("constant guesses"))[:MOST]]


def _constants(public: Batch) -> Float[Tensor, "constants *shape"]:
    """The means and grays, and the images and colors that come nearest to many examples in squared error."""
    space = public.space
    grays = torch.stack([torch.full(space.shape, float(level)) for level in space.at(torch.linspace(0, 1, 9))])
    means = torch.cat([public.inputs.mean(0)[None], class_means(public, torch.unique(public.labels, dim=0))])
    tried = public.inputs
    if space.neighbors:
        tried = torch.cat([tried, tried.mean(dim=space.neighbors, keepdim=True).expand_as(tried)])
    near = 1 + int(NEAR * len(public))
    apart = torch.cdist(tried.flatten(1), public.inputs.flatten(1)).kthvalue(near, dim=1).values
    return torch.cat([grays, means, tried[apart.argsort(stable=True)[:CONSTANTS]]])
