"""Label counts from the network's posteriors and features on noise images."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.settings.base import Count

from ..parts.classifier_head.gradient import head_gradient
from ..parts.classifier_head.label_rule import LabelRule, as_labels, require, whole_counts
from ..parts.classifier_head.outputs import noise_view


@attacks.register("geng-counts")
@dataclass(frozen=True, kw_only=True)
class GengCounts(LabelRule):
    """Counts the classes by `n_i = K p̂_i - K s_i / ô`, with row sums s of the last layer's weight gradient.

    The mean posterior p̂ and the mean sum ô of a feature vector are those of images of uniform noise: untrained
    networks treat all images alike. No bias needed. Several local steps count as one: see `dimitrov-counts`.
    """

    paper: ClassVar = "https://arxiv.org/abs/2110.09074"
    cites: ClassVar = "geng2021towards"
    images: Count = 64
    """Images of noise."""

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:
        require(observation, one_sign=True, length=True)
        seen, examples = noise_view(observation, self.images, rng), observation.examples()
        assert seen.features is not None
        sums = head_gradient(observation).weight.sum(1)
        share = seen.posteriors.mean(0) - sums / seen.features.sum(1).mean()
        return as_labels(whole_counts(examples * share, examples))
