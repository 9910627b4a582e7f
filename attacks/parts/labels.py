"""Rules that read labels off the head's gradient; all are estimators of the mean posterior in one identity.

For mean cross-entropy over K examples the head's bias gradient is `g_b = p̄ - n / K`: the batch-mean posterior minus the
class counts over K. So `n = K (p̄ - g_b)`, and what is left is to know p̄ (see `posteriors`).
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fedleak.observation import Observation

from .evidence import defect
from .head import HeadGradient, find_head, head_gradient
from .posteriors import from_auxiliary, from_features

LabelRule = Literal["auto", "bias-sign", "batch-counts"]


def label_defect(observation: Observation) -> str | None:
    """Why labels cannot be inferred, in words; None where they can."""
    if find_head(observation.task) is None:
        return f"'{observation.task.name}' does not end in a linear layer with {observation.task.classes} outputs"
    return defect(observation)


def infer_labels(observation: Observation, rule: LabelRule = "auto") -> Int[Tensor, " examples"]:
    """One label for each example to guess, by a rule; "auto" is the sign rule for one example, else the counts.

    Defined where `label_defect` is None.
    """
    examples = observation.examples()
    counting = rule == "batch-counts" or (rule == "auto" and examples > 1)
    return as_labels(batch_counts(observation) if counting else sign_counts(_head(observation), examples))


def present(gradient: HeadGradient) -> Bool[Tensor, " classes"]:
    """The classes whose bias gradient is negative: certain for one example, for more all of these are present.

    Where that is none (rounding), the lowest entry counts. Source: https://arxiv.org/abs/2001.02610
    """
    bias = bias_gradient(gradient)
    return (bias < 0) | (bias == bias.min())


def sign_counts(gradient: HeadGradient, examples: int) -> Int[Tensor, " classes"]:
    """Counts that sum to `examples`, in proportion to the negative entries of the bias gradient."""
    bias = bias_gradient(gradient)
    share = (-bias).clamp_min(0.0)
    share = share if share.any() else (bias == bias.min()).double()
    return whole_counts(examples * share / share.sum(), examples)


def batch_counts(observation: Observation) -> Int[Tensor, " classes"]:
    """How many examples of each class are behind an update; non-negative, sums to `observation.examples()`."""
    gradient, examples = _head(observation), observation.examples()
    bias = bias_gradient(gradient)
    if observation.auxiliary is not None and len(observation.auxiliary):
        candidates = [from_auxiliary(observation, bias)]
    else:
        # A trained model is calibrated: its mean posterior is the class frequency, not that of the mean features.
        uniform = torch.full_like(bias, 1.0 / len(bias))
        candidates = [from_features(observation, gradient), uniform]
    raws = [
        examples * (posterior - scale * bias)
        for posterior in candidates
        for scale in _scales(observation, posterior, bias)
    ]
    return whole_counts(min(raws, key=implausibility), examples)


def bias_gradient(gradient: HeadGradient) -> Float[Tensor, " classes"]:
    """The bias gradient; without a bias, the head's rows along their main direction (right up to a positive factor).

    Row i is `Σ_j (p_ij - y_ij) h_j / K`, nearly parallel to the mean features; of one example the row of its class
    alone points the other way. Source: https://arxiv.org/abs/2001.02610
    """
    if gradient.bias is not None:
        return gradient.bias
    _, _, directions = torch.linalg.svd(gradient.weight, full_matrices=False)
    direction: Tensor = directions[0]
    rounding = 1e-5 * direction.abs().max()
    if (direction > -rounding).all() or (direction < rounding).all():
        # Features that are never negative (ReLU, sigmoid) tell which way their mean points.
        return gradient.weight @ direction.abs()
    along = gradient.weight @ direction
    return along if along.max() < -along.min() else -along


def implausibility(raw: Float[Tensor, " classes"]) -> float:
    """How far real-valued counts are from whole numbers that are not negative: an estimator's own criterion."""
    return float((raw - raw.round().clamp_min(0.0)).abs().sum())


def whole_counts(raw: Float[Tensor, " classes"], examples: int) -> Int[Tensor, " classes"]:
    """Non-negative whole numbers near `raw` that sum to `examples`, by largest remainder."""
    raw = torch.nan_to_num(raw.double(), posinf=float(examples), neginf=0.0).clamp(0.0, float(examples))
    raw = raw if raw.any() else torch.ones_like(raw)
    raw = raw * (examples / raw.sum())
    counts = raw.floor().long()
    missing = max(examples - int(counts.sum()), 0)
    # A stable order, so that equal remainders go to the lower class on every machine.
    order = torch.sort(raw - counts, descending=True, stable=True).indices
    counts[order[:missing]] += 1
    return counts


def as_labels(counts: Int[Tensor, " classes"]) -> Int[Tensor, " examples"]:
    """Each class as often as it counts, in ascending order."""
    return torch.repeat_interleave(torch.arange(len(counts)), counts.cpu())


def _scales(observation: Observation, posterior: Tensor, bias: Tensor) -> list[float]:
    """What the gradient may have to be multiplied by: 1, or, where its length is unknown or defended, up to the point
    where the first count is 0 (most small batches miss some class)."""
    rising = bias > 0
    emptying = float((posterior[rising] / bias[rising]).min()) if rising.any() else 1.0
    training, head = observation.training, find_head(observation.task)
    unknown = training.learning_rate is None or training.steps is None or (head is not None and head.bias is None)
    if unknown:
        return [emptying]
    return [1.0, emptying] if observation.defense else [1.0]


def _head(observation: Observation) -> HeadGradient:
    head = find_head(observation.task)
    assert head is not None
    return head_gradient(observation, head)
