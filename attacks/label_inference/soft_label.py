"""Soft label recovery: the label of one example, hard or smoothed, by a search for the length of its features."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable

from ..parts.classifier_head.gradient import HeadGradient, head_gradient
from ..parts.classifier_head.label_rule import LabelRule, require

LENGTHS = (-3.0, 5.0)
"""Range of the features' length, as a power of ten."""
ROUNDS = 5
"""How often the search looks closer."""
DIPS = 8
"""How many of the best places on the grid are looked at closer."""
HARD = 0.99
"""Weight of the label above which it counts as hard."""


@attacks.register("soft-label")
@dataclass(frozen=True, kw_only=True)
class SoftLabel(LabelRule):
    """Finds how long the features of one example are, by which its label follows, even where labels are smoothed.

    The last layer's weight gradient is `(p - y) hᵀ`, so it gives h up to a factor λ, and `y(λ) = softmax(λ W u + b) -
    (dL/dW u) / λ`. At the right λ all weights of y but the largest are equal: a hard or a smoothed label. No bias
    gradient and no sign of features is needed. Differs from the paper: the variance of those weights is taken
    relative to that of the second term, else long features, whose softmax saturates, always fit; and a grid that
    narrows takes the place of L-BFGS. Mixed-up labels (two large weights) are not searched for.
    """

    paper: ClassVar = "https://arxiv.org/abs/2402.03124"
    cites: ClassVar = "wang2024towards"
    grid: Annotated[int, Field(ge=10)] = 400
    """Lengths that are tried of either sign, evenly on a logarithmic scale."""

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        weights, _ = self._weights(observation)
        return weights.argmax()[None]

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        weights, mismatch = self._weights(observation)
        largest, rest = float(weights.max()), float((weights.sum() - weights.max()) / (len(weights) - 1))
        kind = "hard" if largest > HARD else f"smoothed: {largest:.2f} on it, {rest:.3f} on each other class"
        return Reconstruction(labels=weights.argmax()[None], mismatch=mismatch, note=f"the label looks {kind}")

    def _weights(self, observation: Observation) -> tuple[Float[Tensor, " classes"], float]:
        """The weights of the label, and how unequal all but the largest are."""
        require(observation, one_example=True, length=True)
        if observation.task.classes < 3:
            raise NotApplicable(
                "of two classes all but one weight are always equal; the rule needs three: try 'bias-sign'"
            )
        gradient = head_gradient(observation)
        positive = torch.logspace(*LENGTHS, self.grid, dtype=torch.float64)
        lengths = torch.cat([-positive.flip(0), positive])
        misfits = _labels(gradient, lengths)[1]
        dips = torch.nonzero((misfits[1:-1] <= misfits[:-2]) & (misfits[1:-1] <= misfits[2:])).flatten() + 1
        if not len(dips):
            raise NotApplicable("no length of features fits: try 'bias-sign'")
        candidates = [
            self._narrowed(gradient, lengths[dip - 1], lengths[dip + 1]) for dip in dips[misfits[dips].argsort()][:DIPS]
        ]
        return min(candidates, key=lambda candidate: candidate[1])

    def _narrowed(
        self, gradient: HeadGradient, low: Float[Tensor, ""], high: Float[Tensor, ""]
    ) -> tuple[Float[Tensor, " classes"], float]:
        """The best between two lengths."""
        for _ in range(ROUNDS):
            lengths = torch.lerp(low, high, torch.linspace(0, 1, self.grid, dtype=torch.float64))
            weights, misfits = _labels(gradient, lengths)
            best = int(misfits.argmin())
            low, high = lengths[max(best - 1, 0)], lengths[min(best + 1, self.grid - 1)]
        return weights[best], float(misfits[best])


def _labels(
    gradient: HeadGradient, lengths: Float[Tensor, " lengths"]
) -> tuple[Float[Tensor, "lengths classes"], Float[Tensor, " lengths"]]:
    """The label's weights if the features had such lengths, and the relative variance of all but the largest."""
    matrix, bias = gradient.before
    direction = torch.linalg.svd(gradient.weight, full_matrices=False)[2][0]
    logits = lengths[:, None] * (matrix @ direction) + (0.0 if bias is None else bias)
    error = (gradient.weight @ direction) / lengths[:, None]
    weights = logits.softmax(1) - error
    others = weights.argsort(dim=1, descending=True)[:, 1:]
    spread, scale = (values.gather(1, others).var(1) for values in (weights, error))
    return weights, spread / scale.clamp_min(1e-300)
