"""Sign rule: labels from the signs of the last layer's bias gradient."""

from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation

from ..parts.classifier_head.class_presence import LOUD
from ..parts.classifier_head.gradient import bias_gradient, head_gradient
from ..parts.classifier_head.label_rule import LabelRule, require


@attacks.register("bias-sign")
@dataclass(frozen=True, kw_only=True)
class BiasSign(LabelRule):
    """Names the classes whose last-layer bias gradient is negative, each once; of one example, exactly its label.

    `g_b,i` is the mean of `p_i - y_i`, so a negative entry proves that class i is there. Classes that are there more
    than once, or that the network expected more of, are missed: see `auto-labels`. Without a bias the rows of the
    last layer's weight take its place. Negative is what noise does not explain; where nothing is, the lowest counts.
    """

    paper: ClassVar = "https://arxiv.org/abs/2001.02610"
    cites: ClassVar = "zhao2020idlg"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation)
        gradient = head_gradient(observation)
        bias = bias_gradient(gradient)
        if observation.examples() == 1 and not (bias < 0).any():
            # Of one example some entry is negative, so it was not sent: a defense that sends few may have sent its row.
            gradient = replace(gradient, bias=None)
            bias = bias_gradient(gradient)
        # Without a bias the rows stand for it, and their noise adds up over the features.
        floor = LOUD * gradient.noise() if gradient.bias is not None else 0.0
        negative = max(int((bias < -floor).sum()), 1)
        return bias.argsort(stable=True)[:negative][: observation.examples()].sort().values
