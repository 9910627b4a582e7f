"""LLG, Label Leakage from Gradients: counts by magnitude, from the gradient alone, public examples or noise."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.settings.base import Count

from ..parts.classifier_head.gradient import head_gradient
from ..parts.classifier_head.label_rule import LabelRule, as_labels, head_bias_gradient, public_examples, require
from ..parts.classifier_head.outputs import impact, noise_view, view
from ..parts.classifier_head.posteriors import by_class


def by_magnitude(
    signals: Float[Tensor, " classes"], impact: float, examples: int, offsets: Float[Tensor, " classes"] | None = None
) -> Int[Tensor, " classes"]:
    """Names each class of negative signal once, then always the lowest; each naming raises that signal by `-impact`.

    `impact` (negative) is what one example adds to the signal of its class, `offsets` what the others add to it.

    Source: https://arxiv.org/abs/2105.09369
    """
    left = signals.clone() if offsets is None else signals - offsets
    counts = torch.zeros(len(signals), dtype=torch.long)
    negative = signals.argsort(stable=True)[: int((signals < 0).sum())]
    for named in negative[:examples]:
        counts[named] += 1
        left[named] -= impact
    for _ in range(examples - int(counts.sum())):
        lowest = int(left.argmin())
        counts[lowest] += 1
        left[lowest] -= impact
    return counts


def shared_impact(signals: Float[Tensor, " classes"], examples: int) -> float:
    """What an example takes off on average, if each class's negative signal came from its own examples alone."""
    return float(signals.clamp_max(0.0).sum()) / examples


@attacks.register("llg")
@dataclass(frozen=True, kw_only=True)
class LLG(LabelRule):
    """Counts classes by the row sums of the last layer's gradient: each example takes about the same off its class.

    What one example takes off is the sum of negative row sums over K, times `1 + 1 / classes`. Features must not be
    negative; the gradient's length plays no part. Approximate on untrained networks, off on trained ones.
    """

    paper: ClassVar = "https://arxiv.org/abs/2105.09369"
    cites: ClassVar = "wainakh2022user"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation, one_sign=True)
        sums, examples = head_gradient(observation).weight.sum(1), observation.examples()
        impact = shared_impact(sums, examples) * (1 + 1 / len(sums))
        return as_labels(by_magnitude(sums, impact, examples))


@attacks.register("llg-plus")
@dataclass(frozen=True, kw_only=True)
class LLGPlus(LabelRule):
    """Counts classes as `llg` does, by impact and offset that public examples of each class have on row sums.

    The impact is what one example takes off its class, the offset what a batch of other classes adds to it.
    """

    paper: ClassVar = "https://arxiv.org/abs/2105.09369"
    cites: ClassVar = "wainakh2022user"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation, one_sign=True, length=True, public=True)
        public, examples = public_examples(observation), observation.examples()
        views = [
            view(observation, images) for images in by_class(public.inputs, public.labels, observation.task.classes)
        ]
        tried = impact(views, examples)
        return as_labels(
            by_magnitude(head_gradient(observation).weight.sum(1), tried.own_class, examples, tried.other_classes)
        )


@attacks.register("llg-star")
@dataclass(frozen=True, kw_only=True)
class LLGStar(LabelRule):
    """Counts classes as `llg` does, by impact and offset that images of uniform noise have on row sums.

    The server knows the network, so it can label noise as any class and see what that does to the gradient. All
    classes see the same noise.
    """

    paper: ClassVar = "https://arxiv.org/abs/2105.09369"
    cites: ClassVar = "wainakh2022user"
    images: Count = 64
    """Images of noise."""

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:
        require(observation, one_sign=True, length=True)
        examples = observation.examples()
        seen = noise_view(observation, self.images, rng)
        tried = impact([seen] * observation.task.classes, examples)
        return as_labels(
            by_magnitude(head_gradient(observation).weight.sum(1), tried.own_class, examples, tried.other_classes)
        )


@attacks.register("bias-corrected")
@dataclass(frozen=True, kw_only=True)
class BiasCorrected(LabelRule):
    """Counts classes as `llg` does, on the last layer's bias gradient in place of its row sums.

    So features may have both signs. What one example takes off is the sum of negative entries over K: it could be
    1 / K, but the network expected some of the labels. Approximate on untrained networks, off on trained ones.
    """

    paper: ClassVar = "https://arxiv.org/abs/2105.09369"
    cites: ClassVar = "wainakh2022user"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation, bias=True)
        bias, examples = head_bias_gradient(observation), observation.examples()
        return as_labels(by_magnitude(bias, shared_impact(bias, examples), examples))
