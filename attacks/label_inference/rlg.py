"""RLG, Revealing Labels from Gradients: the set of labels, by linear programs."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable

from ..parts.classifier_head.class_presence import LOUD
from ..parts.classifier_head.gradient import HeadGradient, head_gradient, head_of
from ..parts.classifier_head.label_rule import LabelRule, require


@attacks.register("rlg")
@dataclass(frozen=True, kw_only=True)
class RLG(LabelRule):
    """Names the classes that a plane separates from all others in the span of the last layer's gradient, each once.

    An example's `p - y` is negative for its label alone, and it lies in the column space of the weight gradient. So for
    each class that is there a linear program finds a vector of that space that is negative there and nowhere else.
    No bias, no sign of features and no length is needed. Classes that are not there may pass by chance, the more the
    larger the batch; the K widest margins are named. Where the space is all there is, every class passes.
    """

    paper: ClassVar = "https://arxiv.org/abs/2111.00556"
    cites: ClassVar = "dang2021revealing"

    def infer(self, observation: Observation, rng: Generator) -> Int[Tensor, " guesses"]:  # noqa: ARG002
        require(observation)
        if not head_of(observation.task).plain:
            raise NotApplicable("the rule reads the last layer's weight, and that is tied or made of other parameters")
        points, error = _points(head_gradient(observation), observation.examples())
        classes, rank = points.shape
        if rank >= classes - 1:
            raise NotApplicable(
                f"the last layer's gradient has rank {rank} of {classes - 1}, so all {classes} classes are separable; "
                "the rule needs a smaller batch: try 'ilrg'"
            )
        margins = torch.tensor([_margin(points, label, error) for label in range(classes)])
        separable = int((margins > 10 * error).sum())
        named = margins.argsort(descending=True, stable=True)[: max(separable, 1)][: observation.examples()]
        return named.sort().values


def _points(gradient: HeadGradient, examples: int) -> tuple[Float[Tensor, "classes rank"], float]:
    """Each class as a point in the span, and the error of a coordinate."""
    left, sizes, _ = torch.linalg.svd(gradient.weight, full_matrices=False)
    noise = gradient.noise() * sum(side**0.5 for side in gradient.weight.shape)
    rank = max(min(int((sizes > LOUD * noise).sum()), examples), 1)
    return left[:, :rank], max(noise / float(sizes[rank - 1]), 1e-9)


def _margin(points: Float[Tensor, "classes rank"], label: int, error: float) -> float:
    """How negative a vector of the span can be at one class while it is negative at no other; the vector in a box."""
    # Imported here: it takes a while, and every command reads the catalog of attacks.
    from scipy.optimize import linprog

    others = torch.cat([points[:label], points[label + 1 :]])
    allowed = torch.full((len(others),), error, dtype=points.dtype)
    solved = linprog(points[label].numpy(), A_ub=-others.numpy(), b_ub=allowed.numpy(), bounds=(-1.0, 1.0))
    return -float(solved.fun) if solved.success else 0.0
