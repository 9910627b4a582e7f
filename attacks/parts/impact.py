"""What an example adds to the row sums of the head's gradient, tried out on images whose labels are known."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .head_view import HeadView


@dataclass(frozen=True, kw_only=True)
class Impact:
    """In units of the mean gradient of a batch."""

    own: float
    """Of one example, to its own class's row; negative."""
    others: Float[Tensor, " classes"]
    """Of a whole batch of other classes, to each row."""


def impact(views: list[HeadView], examples: int) -> Impact:
    """From a batch of each class, in the order of classes: its gradient's row sums, if all its labels are that class.

    Row sums are `mean_j (p_ji - y_ji) Σ_m h_jm`. Source: https://arxiv.org/abs/2105.09369
    """
    classes = len(views)
    rows = []
    for label, seen in enumerate(views):
        assert seen.features is not None
        wrong = seen.posteriors.clone()
        wrong[:, label] -= 1.0
        rows.append((wrong * seen.features.sum(1, keepdim=True)).mean(0))
    table = torch.stack(rows)
    own = table.diagonal()
    return Impact(
        own=float(own.mean()) / examples * (1 + 1 / classes), others=(table.sum(0) - own) / max(classes - 1, 1)
    )
