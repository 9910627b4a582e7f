"""Orthogonality rule: the label of one example where what was sent is orthogonal to its gradient (CENSOR)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable

from ..parts.classifier_head.gradient import HeadGradient, head_gradient
from ..parts.classifier_head.label_rule import LabelRule, public_examples, require
from ..parts.classifier_head.outputs import HeadView, view

ENOUGH = 20
"""Public examples of a class from which on they alone speak for it; with fewer all classes do."""
LEAST = 1e-3
"""Share of its own variance that each equation's spread gains, so that no few examples look certain."""


@attacks.register("orthogonal-rows")
@dataclass(frozen=True, kw_only=True)
class OrthogonalRows(LabelRule):
    """Names the label whose gradient the last layer's update is orthogonal to, and as long as.

    CENSOR sends for each tensor a direction orthogonal to its gradient and of the same length. Of one example the
    head's gradients are `p - y` and `(p - y) hᵀ`, so each candidate label has four equations: two inner products that
    are zero and two lengths. Posteriors p and features h are those of public examples, whose spread says how nearly the
    equations should hold; the likeliest label under a normal law counts. One local step, no noise after it.
    """

    paper: ClassVar = "https://arxiv.org/abs/2501.15718"
    cites: ClassVar = "zhang2025censor"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation, one_example=True, length=True, public=True)
        _require_orthogonal(observation)
        public, sent = public_examples(observation), head_gradient(observation)
        seen = view(observation, public.inputs)
        if seen.features is None or len(public) < 2:
            raise NotApplicable("the last layer does not see one vector an example; try 'bias-sign'")
        scores = []
        for label in range(observation.task.classes):
            own = public.labels == label
            chosen = own if int(own.sum()) >= ENOUGH else torch.ones_like(own)
            scores.append(_log_likelihood(_residuals(sent, seen, chosen, label)))
        return torch.stack(scores).argmax()[None]


def _require_orthogonal(observation: Observation) -> None:
    chain = observation.defense.local.defenses
    if not chain or not chain[-1].orthogonal or observation.training.steps != 1 or len(observation.cohort) > 1:
        raise NotApplicable(
            "the rule is for one local step whose gradient a defense replaces by an orthogonal direction, as 'censor' "
            "does, and for nothing after that; try 'bias-sign'"
        )


def _residuals(sent: HeadGradient, seen: HeadView, chosen: Tensor, label: int) -> Float[Tensor, "examples equations"]:
    """By how much each equation fails, if the label were this one and the example like a public one."""
    assert seen.features is not None
    error, features = seen.posteriors[chosen], seen.features[chosen]
    error = error - torch.nn.functional.one_hot(torch.tensor(label), error.shape[1])
    size = error.norm(dim=1).clamp_min(1e-12)
    length = (size * features.norm(dim=1)).clamp_min(1e-12)
    along = ((error @ sent.weight) * features).sum(1) / length / sent.weight.norm()
    equations = [along, (sent.weight.norm() / length).log()]
    if sent.bias is not None:
        equations += [error @ sent.bias / size / sent.bias.norm(), (sent.bias.norm() / size).log()]
    return torch.stack(equations, dim=1)


def _log_likelihood(residuals: Float[Tensor, "examples equations"]) -> Float[Tensor, ""]:
    """How likely residuals of zero are among these, by a normal law, up to a constant."""
    mean, spread = residuals.mean(0), residuals.T.cov()
    spread = spread + torch.diag(LEAST * spread.diagonal() + 1e-18)
    distance: Tensor = mean @ torch.linalg.solve(spread, mean)
    return -0.5 * (distance + torch.logdet(spread))
