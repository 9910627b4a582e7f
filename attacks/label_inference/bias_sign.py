"""Sign rule: labels from the signs of the last layer's bias gradient."""

from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable

from ..parts.applicability import leaves_signs
from ..parts.classifier_head.class_presence import LOUD
from ..parts.classifier_head.gradient import bias_gradient, head_gradient
from ..parts.classifier_head.label_fit import one_label
from ..parts.classifier_head.label_rule import LabelRule, require


@attacks.register("bias-sign")
@dataclass(frozen=True, kw_only=True)
class BiasSign(LabelRule):
    """Names the classes whose last-layer bias gradient is negative, each once; of one example, exactly its label.

    `g_b,i` is the mean of `p_i - y_i`, so a negative entry proves that class i is there. Classes that are there more
    than once, or that the network expected more of, are missed: see `auto-labels`. Without a bias the rows of the
    last layer's weight take its place. Of one example under another loss than cross-entropy: the label that explains
    the bias gradient best, at the features that the weight's gradient gives; of one that may have several labels, the
    set. Negative is what noise does not explain; where nothing is, the lowest counts.
    """

    paper: ClassVar = "https://arxiv.org/abs/2001.02610"
    cites: ClassVar = "zhao2020idlg"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, "guesses *classes"]:  # noqa: ARG002
        require(observation, signs=True, any_loss=True, several_labels=True)
        gradient, criterion = head_gradient(observation), observation.task.criterion
        single = observation.examples() == 1 and not leaves_signs(observation)
        if criterion.several_labels or (single and not criterion.plain):
            return one_label(observation, gradient)
        if not criterion.proves_presence:
            raise NotApplicable(f"under {criterion.words} signs prove no class; try 'learned-counts'")
        bias = bias_gradient(gradient)
        if observation.examples() == 1 and not (bias < 0).any():
            # Of one example some entry is negative, so it was not sent: a defense that sends few may have sent its row.
            gradient = replace(gradient, bias=None)
            bias = bias_gradient(gradient)
        # Without a bias the rows stand for it, and their noise adds up over the features.
        # Nor do signs, which are exact, sum to zero.
        exact = gradient.bias is None or leaves_signs(observation)
        floor = 0.0 if exact else LOUD * gradient.noise()
        negative = max(int((bias < -floor).sum()), 1)
        return bias.argsort(stable=True)[:negative][: observation.examples()].sort().values
