"""Label of one example where the head's update is orthogonal to its gradient, and as long (CENSOR)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable

from .gradient import HeadGradient, head_gradient
from .label_rule import public_examples, require
from .outputs import HeadView, view

ENOUGH = 20
"""Public examples of a class from which on they alone speak for it; with fewer all classes do."""
LEAST = 1e-3
"""Share of its own variance that each equation's spread gains, so that no few examples look certain."""


def orthogonal_label(observation: Observation) -> Int[Tensor, " one"]:
    """The likeliest label under a normal law of the equations' failures on public examples; raises `NotApplicable`."""
    require(observation, one_example=True, length=True, public=True)
    _require_orthogonal(observation)
    public, sent = public_examples(observation), head_gradient(observation)
    seen = view(observation, public.inputs)
    if seen.features is None or len(public) < 2:
        raise NotApplicable("the last layer does not see one vector an example; try 'bias-sign'")
    scaled, scores = observation.defense.local.scaled, []
    for label in range(observation.task.classes):
        own = public.labels == label
        chosen = own if int(own.sum()) >= ENOUGH else torch.ones_like(own)
        scores.append(_log_likelihood(_failures(sent, seen, chosen, label, scaled=scaled)))
    return torch.stack(scores).argmax()[None]


def _require_orthogonal(observation: Observation) -> None:
    if not observation.defense.local.orthogonal or observation.training.steps != 1 or len(observation.cohort) > 1:
        raise NotApplicable(
            "the rule is for one local step whose gradient a defense replaces by an orthogonal direction, as 'censor' "
            "does, and for nothing but clipping after that; try 'bias-sign'"
        )


def _failures(
    sent: HeadGradient, seen: HeadView, chosen: Tensor, label: int, *, scaled: bool
) -> Float[Tensor, "examples equations"]:
    """By how much each equation fails, if the label were this one and the example like a public one.

    Of what was scaled as a whole only the ratio of the two lengths is known.
    """
    assert seen.features is not None
    error, features = seen.posteriors[chosen], seen.features[chosen]
    error = error - torch.nn.functional.one_hot(torch.tensor(label), error.shape[1])
    size = error.norm(dim=1).clamp_min(1e-12)
    length = (size * features.norm(dim=1)).clamp_min(1e-12)
    angles = [((error @ sent.weight) * features).sum(1) / length / sent.weight.norm()]
    lengths = [(sent.weight.norm() / length).log()]
    if sent.bias is not None:
        angles.append(error @ sent.bias / size / sent.bias.norm())
        lengths.append((sent.bias.norm() / size).log())
    known = [one - lengths[0] for one in lengths[1:]] if scaled else lengths
    return torch.stack([*angles, *known], dim=1)


def _log_likelihood(failures: Float[Tensor, "examples equations"]) -> Float[Tensor, ""]:
    """How likely failures of zero are among these, by a normal law, up to a constant."""
    mean, spread = failures.mean(0), failures.T.cov()
    spread = spread + torch.diag(LEAST * spread.diagonal() + 1e-18)
    distance: Tensor = mean @ torch.linalg.solve(spread, mean)
    return -0.5 * (distance + torch.logdet(spread))
