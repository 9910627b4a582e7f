"""Estimates of the batch-mean posterior p̄ that the label identity needs."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.batch import Batch
from fedleak.observation import Observation
from fedleak.randomness import global_dice
from fedleak.weights import Weights

from .head import HeadGradient, weights_after
from .objective import mode_of


def from_features(observation: Observation, gradient: HeadGradient) -> Float[Tensor, " classes"]:
    """The posterior of the mean features, which are read off the head's gradient; near exact for untrained networks.

    Row i of the head's gradient is `Σ_j (p_ij - y_ij) h_j / K`. Where its bias gradient is positive, that is about
    `g_b,i` times the mean features, so least squares over those rows gives them. Builds on the estimate of
    https://openreview.net/forum?id=FIrQfNSOoTr; several local steps count as half before, half after training.
    """
    if gradient.bias is None:
        return torch.full_like(gradient.weight[:, 0], 1.0 / len(gradient.weight))
    shares = gradient.bias.clamp_min(0.0)
    features = gradient.weight.T @ shares / shares.dot(shares).clamp_min(1e-300)
    ends = [gradient.before] if _one_step(observation) else [gradient.before, gradient.after]
    posteriors = [(weight @ features + bias).softmax(0) for weight, bias in ends if bias is not None]
    return torch.stack(posteriors).mean(0)


def from_auxiliary(observation: Observation, bias: Float[Tensor, " classes"]) -> Float[Tensor, " classes"]:
    """The mean posterior of public data, moved to where the observed bias gradient says the batch lies.

    Over public examples the posterior p is regressed (ridge) on the residual `p - y`, whose batch mean is the bias
    gradient: so examples that the network gets wrong count as what they are. Builds on the class-conditional posteriors
    of https://arxiv.org/abs/2110.09074.
    """
    assert observation.auxiliary is not None
    public = observation.auxiliary
    estimates = []
    ends = [observation.before] if _one_step(observation) else [observation.before, weights_after(observation)]
    for weights in ends:
        posteriors = _posteriors(observation, weights, public)
        residuals = posteriors - torch.nn.functional.one_hot(public.labels, observation.task.classes)
        estimates.append(_regressed(posteriors, residuals, bias))
    return torch.stack(estimates).mean(0)


def _regressed(posteriors: Tensor, residuals: Tensor, bias: Tensor) -> Tensor:
    """Ridge regression of the posterior on the residual, at the observed mean residual."""
    mean, centre = posteriors.mean(0), residuals.mean(0)
    spread = residuals - centre
    square = spread.T @ spread / len(spread)
    ridge = (square.trace() / len(spread) + 1e-12) * torch.eye(len(square), dtype=square.dtype)
    slope = torch.linalg.solve(square + ridge, spread.T @ (posteriors - mean) / len(spread))
    moved: Tensor = mean + (bias - centre) @ slope
    return moved.clamp_min(0.0)


def _posteriors(observation: Observation, weights: Weights, public: Batch) -> Float[Tensor, "examples classes"]:
    """Posteriors of public examples, in batches of the clients' size: BatchNorm sees what it would see there."""
    batches = -(-len(public) // max(observation.training.batch_size or observation.examples(), 2))
    with torch.no_grad(), global_dice("posteriors"):
        logits = [
            observation.task.logits(weights.clone(), inputs, mode=mode_of(observation))
            for inputs in public.inputs.tensor_split(max(min(batches, len(public) // 2), 1))
        ]
    return torch.nan_to_num(torch.cat(logits).double()).softmax(1)


def _one_step(observation: Observation) -> bool:
    return observation.training.steps in {1, None}
