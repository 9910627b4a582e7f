"""Label shift estimation: class counts from the confusion matrix on public examples."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation

from ..parts.classifier_head.gradient import ends
from ..parts.classifier_head.label_rule import (
    LabelRule,
    as_labels,
    head_bias_gradient,
    public_examples,
    require,
    whole_counts,
)
from ..parts.classifier_head.outputs import view
from ..parts.classifier_head.posteriors import by_class, solve_counts

LEAST = 1e-3
"""Share of the variance below which no direction is trusted."""


@attacks.register("auxiliary-posterior")
@dataclass(frozen=True, kw_only=True)
class AuxiliaryPosterior(LabelRule):
    """Counts the classes by the matrix Q of mean posteriors that public examples of each class get.

    The counts n solve `(I - Qᵀ) n = -K g_b`, `Σ n = K`, `n >= 0`: the class frequencies under which the network would
    err as the bias gradient says. On trained networks Q is near I and the errors on a few examples decide, so an
    equation weighs as public examples of one class agree on it, and what they leave open is as frequent as in public.
    For skewed batches see `learned-counts`. Several local steps count as half before, half after training.
    """

    paper: ClassVar = "https://arxiv.org/abs/1802.03916"
    cites: ClassVar = "lipton2018detecting"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation, bias=True, length=True, public=True)
        public, bias = public_examples(observation), head_bias_gradient(observation)
        examples, classes = observation.examples(), observation.task.classes
        views = [view(observation, public.inputs, weights).posteriors for weights in ends(observation)]
        groups = by_class(torch.stack(views).mean(0), public.labels, classes)
        confusion = torch.stack([rows.mean(0) for rows in groups])
        frequency = (torch.bincount(public.labels, minlength=classes) + 1.0).double() / (len(public) + classes)
        counts = solve_counts(confusion, bias, examples, _trust(groups, frequency), frequency)
        return as_labels(whole_counts(counts, examples))


def _trust(groups: list[Tensor], frequency: Float[Tensor, " classes"]) -> Float[Tensor, "classes classes"]:
    """The inverse root of the covariance that posteriors have within classes."""
    spreads = [rows - rows.mean(0) for rows in groups]
    square = sum(
        (share * spread.T @ spread / len(spread) for share, spread in zip(frequency, spreads, strict=True)),
        torch.zeros(len(frequency), len(frequency), dtype=torch.float64),
    )
    values, vectors = torch.linalg.eigh(square)
    root: Tensor = vectors / (values + LEAST * values.sum() + 1e-12).sqrt() @ vectors.T
    return root
