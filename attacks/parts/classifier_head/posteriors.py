"""Mean posterior of a batch: estimates of the p̄ that the label identity needs."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch

from .gradient import HeadGradient, ends
from .outputs import view

UNDECIDED = 0.87
"""Share of the largest entropy. Untrained networks of five kinds have 0.90 to 1.00 on batches of 4 to 64, the same
trained to 93% and more 0.00 to 0.85."""


def from_features(observation: Observation, gradient: HeadGradient) -> Float[Tensor, " classes"]:
    """The posterior of the mean features, which are read off the head's gradient; near exact for untrained networks.

    Row i of the head's gradient is `Σ_j (p_ji - y_ji) h_j / K`. Where its bias gradient is positive, that is about
    `g_b,i` times the mean features, so least squares over those rows gives them. Builds on the estimate of
    https://openreview.net/forum?id=FIrQfNSOoTr; several local steps count as half before, half after training.
    """
    if gradient.bias is None:
        return torch.full_like(gradient.weight[:, 0], 1.0 / len(gradient.weight))
    # Of a mean over binary losses or squares every row is as good as another.
    shares = gradient.bias.clamp_min(0.0) if observation.task.criterion.balanced else gradient.bias
    features = gradient.weight.T @ shares / shares.dot(shares).clamp_min(1e-300)
    both = [gradient.before, gradient.after][: len(ends(observation))]
    scores = [weight @ features + bias for weight, bias in both if bias is not None]
    activation = observation.task.criterion.activation(torch.stack(scores))
    assert activation is not None, "asked of a loss whose derivative has no such form"
    return activation.mean(0)


def undecided(observation: Observation, gradient: HeadGradient) -> bool:
    """Whether the network takes no side on the mean features, as untrained ones do: then all examples fare alike.

    Of a trained network the posterior of the mean features is nearly certain of some class, and says nothing of p̄.
    """
    posterior = from_features(observation, gradient)
    entropy = float(-(posterior * posterior.clamp_min(1e-300).log()).sum())
    return entropy >= UNDECIDED * math.log(len(posterior))


def from_auxiliary(
    observation: Observation, public: Batch, bias: Float[Tensor, " classes"]
) -> Float[Tensor, " classes"]:
    """The mean posterior of public data, moved to where the observed bias gradient says the batch lies.

    Several local steps count as half before, half after training. See `regressed`.
    """
    estimates = []
    for weights in ends(observation):
        posteriors = view(observation, public.inputs, weights).posteriors
        estimates.append(regressed(posteriors, residuals(posteriors, public.labels), bias))
    return torch.stack(estimates).mean(0)


def residuals(
    posteriors: Float[Tensor, "examples classes"], labels: Int[Tensor, " examples"]
) -> Float[Tensor, "examples classes"]:
    """`p - y` of each example: what its bias gradient is."""
    return posteriors - torch.nn.functional.one_hot(labels, posteriors.shape[1])


def regressed(
    posteriors: Float[Tensor, "examples classes"],
    residuals: Float[Tensor, "examples classes"],
    bias: Float[Tensor, "*batches classes"],
) -> Float[Tensor, "*batches classes"]:
    """Ridge regression of the posterior on the residual, at the observed mean residual.

    The best linear estimate for batches drawn as the public examples were: those that the network gets wrong count as
    what they are. It takes the classes to be as frequent as there, and says little of a batch of one or two.
    """
    mean, center = posteriors.mean(0), residuals.mean(0)
    spread = residuals - center
    square = spread.T @ spread / len(spread)
    ridge = (square.trace() / len(spread) + 1e-12) * torch.eye(len(square), dtype=square.dtype)
    slope = torch.linalg.solve(square + ridge, spread.T @ (posteriors - mean) / len(spread))
    moved: Tensor = mean + (bias - center) @ slope
    return moved.clamp_min(0.0)


def by_class(
    values: Float[Tensor, "examples *entries"], labels: Int[Tensor, " examples"], classes: int
) -> list[Tensor]:
    """The rows of each class; all rows for a class that has none."""
    return [values[labels == label] if bool((labels == label).any()) else values for label in range(classes)]


# Class counts from a known confusion matrix.

SUM = 1e3
"""Weight of the equation that shares sum to 1, which is certain."""


def solve_counts(
    confusion: Float[Tensor, "classes posteriors"],
    bias: Float[Tensor, " classes"],
    examples: int,
    trust: Float[Tensor, "classes posteriors"] | None = None,
    belief: Float[Tensor, " classes"] | None = None,
) -> Float[Tensor, " classes"]:
    """Solves `Qᵀ n - n = K g_b` and `Σ n = K` for `0 <= n <= K` by least squares; row c of Q is class c's posterior.

    `trust` multiplies both sides of the first. With `belief`, the classes' shares among examples, deviations from it
    weigh as they do for examples drawn at random: `(n_i / K - belief_i)² / belief_i`.
    """
    # Imported here: it takes a while, and every command reads the catalog of attacks.
    from scipy.optimize import lsq_linear

    identity = torch.eye(len(bias), dtype=bias.dtype)
    trust = identity if trust is None else trust
    rows = [trust @ (confusion.T - identity), SUM * torch.ones_like(identity[:1])]
    right = [trust @ bias, SUM * torch.ones_like(bias[:1])]
    if belief is not None:
        rows.append(identity / belief.sqrt())
        right.append(belief.sqrt())
    solved = lsq_linear(torch.cat(rows).numpy(), torch.cat(right).numpy(), bounds=(0.0, 1.0))
    return examples * torch.from_numpy(solved.x)
