"""Property accuracy: the share of questions about a batch that are answered right."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from fedleak.contracts.metric import metrics
from fedleak.goals.properties import PropertyMetric, nearest


@metrics.register("property-accuracy")
@dataclass(frozen=True, kw_only=True)
class PropertyAccuracy(PropertyMetric):
    """The share of questions that are answered right: about a batch, as whether most of it is warm, or a whole model.

    A probability above 0.5 is a yes; at 0.5 it is half an answer. The prior answers by what is commonest in public. Of
    shares of a property the likeliest one counts, and of several that are as likely each in part.
    """

    paper: ClassVar = "https://arxiv.org/abs/1805.04049"
    cites: ClassVar = "melis2019exploiting"
    unit: ClassVar = "share of questions"
    higher_is_better: ClassVar = True
    bounds: ClassVar = (0.0, 1.0)
    threshold: ClassVar = 1.0
    margin: ClassVar = 0.0

    def per_property(
        self, guess: Float[Tensor, " properties"], truth: Float[Tensor, " properties"]
    ) -> Float[Tensor, " properties"]:
        right = ((guess > 0.5) == (truth > 0.5)).to(guess.dtype)
        return torch.where(guess == 0.5, 0.5, right)

    def of_share(self, guess: Float64[Tensor, " shares"], shares: Float64[Tensor, " shares"], true: float) -> float:
        likeliest = guess == guess.max()
        return float(likeliest[nearest(shares, true)]) / int(likeliest.sum())
