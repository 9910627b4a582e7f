"""Asked classes: which classes a representative is wanted of, and what a model's scores say of images of them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.released import Released
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch


def asked_classes(view: View) -> Int[Tensor, " asked"]:
    """The classes that the adversary is asked about; raises `NotApplicable` where there are none."""
    if not view.classes:
        raise NotApplicable("no class was asked about: say by adversary.lacks which a representative is wanted of")
    return torch.tensor(view.classes)


def log_odds(scores: Float[Tensor, "asked classes"], classes: Int[Tensor, " asked"]) -> Float[Tensor, " asked"]:
    """`log p / (1 - p)` of each row's class, in nats: never flat, however sure the model is."""
    own = torch.arange(scores.shape[1]) == classes[:, None]
    return scores[own] - scores.masked_fill(own, -torch.inf).logsumexp(1)


def require_finite_scores(view: Released) -> None:
    """Raises `NotApplicable` where the released model is sure of nothing: its scores are not finite."""
    with torch.no_grad():
        scores = view.task.logits(view.weights, torch.full((1, *view.task.shape), view.task.space.middle), mode="eval")
    if not torch.isfinite(scores).all():
        raise NotApplicable("the released model's scores are NaN or infinite, so they say nothing of any class")


def usual_confidence(view: Released, public: Batch) -> float:
    """How sure the released model is of public examples, in the median: the highest probability of each."""
    with torch.no_grad():
        scores = view.task.logits(view.weights, public.inputs, mode="eval")
    return float(scores.softmax(1).amax(1).median())
