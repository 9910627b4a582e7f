"""RLU, Recovering Labels from local Updates: counts by a simulated drift of logits over the local steps."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.settings.base import Count

from ..parts.classifier_head.gradient import weights_after
from ..parts.classifier_head.label_rule import (
    LabelRule,
    as_labels,
    head_bias_gradient,
    local_steps,
    public_examples,
    require,
    whole_counts,
)
from ..parts.classifier_head.outputs import view
from ..parts.classifier_head.posteriors import by_class, solve_counts

MOST = 20
"""Points at which the steps of long training are looked at."""


@attacks.register("rlu")
@dataclass(frozen=True, kw_only=True)
class RLU(LabelRule):
    """Counts the classes of several local steps by the confidence in wrong classes that is expected at each step.

    Logits of each class are taken to be normal, with the moments that public examples have. Their drift over the
    steps is simulated by Monte Carlo: draws move from the moments before training to those after it. The mean
    posteriors of all steps give the confusion, and least squares the counts (see `posteriors`). Differs from the
    paper: the weights after training are known to the server, so the drift ends there and is not predicted.
    """

    paper: ClassVar = "https://arxiv.org/abs/2405.00955"
    cites: ClassVar = "chen2024recovering"
    draws: Count = 500
    """Logits that are drawn for a class."""

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:
        require(observation, bias=True, length=True, public=True)
        public, examples, steps = public_examples(observation), observation.examples(), local_steps(observation)
        bias = head_bias_gradient(observation)
        both = (observation.before, weights_after(observation))
        first, last = (
            by_class(view(observation, public.inputs, weights).logits, public.labels, len(bias)) for weights in both
        )
        rows = [self._posterior(*pair, steps, rng) for pair in zip(first, last, strict=True)]
        return as_labels(whole_counts(solve_counts(torch.stack(rows), bias, examples), examples))

    def _posterior(
        self, first: Float[Tensor, "some classes"], last: Float[Tensor, "some classes"], steps: int, rng: Generator
    ) -> Float[Tensor, " classes"]:
        """The mean posterior of a class over all steps."""
        noise = torch.randn(self.draws, first.shape[1], generator=rng, dtype=first.dtype)
        begin, end = (logits.mean(0) + noise @ _root(logits) for logits in (first, last))
        points = min(steps, MOST)
        drift = [begin + (end - begin) * point / points for point in range(points)]
        return torch.stack([logits.softmax(1).mean(0) for logits in drift]).mean(0)


def _root(logits: Float[Tensor, "some classes"]) -> Float[Tensor, "classes classes"]:
    """The square root of their covariance."""
    spread = logits - logits.mean(0)
    values, vectors = torch.linalg.eigh(spread.T @ spread / len(spread))
    root: Tensor = vectors * values.clamp_min(0.0).sqrt() @ vectors.T
    return root
