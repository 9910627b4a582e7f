"""iLRG, Instance-wise Label Restoration from Gradients: counts from class-wise mean features."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation

from ..parts.classifier_head.class_presence import LOUD
from ..parts.classifier_head.gradient import HeadGradient, ends, head_gradient
from ..parts.classifier_head.label_rule import LabelRule, as_labels, head_bias_gradient, require, whole_counts


@attacks.register("ilrg")
@dataclass(frozen=True, kw_only=True)
class ILRG(LabelRule):
    """Counts the classes from posteriors of each class's features, which the last layer's gradient contains.

    `ĥ_i = (dL/dW_i) / (dL/db_i)` is about the mean of class i's features, its posterior `p̂_i = softmax(W ĥ_i + b)`.
    The counts solve `Σ_j n_j p̂_j - n = K g_b` and `Σ_j n_j = K` by pseudoinverse. Nearly exact on untrained networks,
    also for large batches and features of both signs; off on trained ones. Differs from the paper: where noise hides
    the quotient, the mean of all features takes its place; several steps count as half before, half after training.
    """

    paper: ClassVar = "https://openreview.net/forum?id=FIrQfNSOoTr"
    cites: ClassVar = "ma2023instance"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation, bias=True, length=True)
        gradient, examples = head_gradient(observation), observation.examples()
        bias = head_bias_gradient(observation)
        features = _features(gradient, bias)
        both = [gradient.before, gradient.after][: len(ends(observation))]
        posteriors = torch.stack([(features @ w.T + b).softmax(1) for w, b in both if b is not None]).mean(0)
        identity = posteriors.T - torch.eye(len(posteriors), dtype=posteriors.dtype)
        system = torch.cat([identity, torch.ones_like(identity[:1])])
        right = examples * torch.cat([bias, torch.ones_like(bias[:1])])
        return as_labels(whole_counts(torch.linalg.pinv(system) @ right, examples))


def _features(gradient: HeadGradient, bias: Float[Tensor, " classes"]) -> Float[Tensor, "classes features"]:
    """Each class's mean features, as a quotient."""
    mean = bias @ gradient.weight / bias.dot(bias).clamp_min(1e-300)
    loud = bias.abs() > LOUD * gradient.noise()
    return torch.where(loud[:, None], gradient.weight / torch.where(loud, bias, 1.0)[:, None], mean)
