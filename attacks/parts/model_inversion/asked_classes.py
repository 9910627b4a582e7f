"""Asked classes: which classes a representative is wanted of, and what a model's scores say of images of them."""

from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from fedleak.contracts.released import Released
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable

SURE = 0.99
"""The confidence at which Fredrikson et al. end their search."""
SureEnough = Annotated[float, Field(gt=0, le=1)] | None
"""A confidence, or None: as the model usually has."""


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


def sure_enough(view: Released, asked_for: float | None) -> float:
    """The confidence that a search may end at: as asked for, else 0.99, or the median of public examples if lower.

    A model that was trained for flat answers is never surer than that, and a search for more leaves the images that
    there are.
    """
    public = view.auxiliary
    if asked_for is not None or public is None or not len(public):
        return SURE if asked_for is None else asked_for
    with torch.no_grad():
        scores = view.task.logits(view.weights, public.inputs, mode="eval")
    return min(SURE, float(scores.softmax(1).amax(1).median()))
