"""Label counts by the bias identity: the mean posterior less the last layer's bias gradient."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.learning.update import reach

from ..parts.classifier_head.class_presence import presence
from ..parts.classifier_head.gradient import HeadGradient, bias_gradient, head_gradient
from ..parts.classifier_head.label_rule import LabelRule, as_labels, local_steps, require
from ..parts.classifier_head.posteriors import from_auxiliary, from_features, undecided


@attacks.register("batch-counts")
@dataclass(frozen=True, kw_only=True)
class BatchCounts(LabelRule):
    """Counts the classes by the identity `n = K (p̄ - g_b)` between last-layer bias gradient and mean posterior.

    The mean posterior p̄ is estimated: from public examples where there are some (a regression on what the network gets
    wrong), else, while the network is undecided, from the mean features that the last layer's gradient contains, and
    of a trained network from calibration. Signs bound the counts: see `class_presence`. Near exact on untrained
    networks; on trained ones look at the prior's figure beside it, and at `learned-counts`.
    """

    paper: ClassVar = "https://openreview.net/forum?id=FIrQfNSOoTr"
    cites: ClassVar = "ma2023instance"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation, any_loss=True)
        criterion = observation.task.criterion
        gradient, examples = head_gradient(observation), observation.examples()
        bias, posterior = bias_gradient(gradient), _posterior(observation, gradient)
        bounds = presence(observation, gradient)
        scales = _scales(observation, gradient, posterior, bias) if criterion.plain else [1.0]
        if not criterion.plain:
            local_steps(observation)
        shares = [criterion.shares(posterior, scale * bias, examples) for scale in scales]
        raws = [examples * share for share in shares if share is not None]
        likeliest = min(raws, key=lambda raw: float((raw - bounds.nearest(raw)).abs().sum()))
        return as_labels(bounds.settle(likeliest, examples))


def _posterior(observation: Observation, gradient: HeadGradient) -> Float[Tensor, " classes"]:
    criterion, public = observation.task.criterion, observation.auxiliary
    if criterion.activation(torch.zeros(1, 2)) is None:
        raise NotApplicable(f"nothing is known of how {criterion.words} shows counts; try 'learned-counts'")
    if criterion.plain and public is not None and len(public):
        return from_auxiliary(observation, public, bias_gradient(gradient))
    if not criterion.plain or undecided(observation, gradient):
        return from_features(observation, gradient)
    # A trained model is calibrated: its mean posterior is the class frequency, not that of the mean features.
    return torch.full_like(gradient.weight[:, 0], 1.0 / len(gradient.weight))


def _scales(observation: Observation, gradient: HeadGradient, posterior: Tensor, bias: Tensor) -> list[float]:
    """What the gradient may have to be multiplied by: 1, or, where its length is unknown or defended, up to the point
    where the first count is 0 (most small batches miss some class)."""
    rising = bias > 0
    emptying = float((posterior[rising] / bias[rising]).min()) if rising.any() else 1.0
    training = observation.training
    if gradient.bias is None or reach(training) is None or training.gradient_clipping:
        return [emptying]
    return [1.0, emptying] if observation.defense else [1.0]
