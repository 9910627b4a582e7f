"""Epoch assignment: one set of images out of the images that each epoch has of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Generator, Tensor

from ..engine.objective import Gradient, Guess, Objective
from ..engine.variables import Variables


@dataclass(frozen=True, kw_only=True, eq=False)
class Merged(Objective):
    """An objective over images of several epochs whose guess is one set of images: see `merge`."""

    objective: Objective
    epochs: int
    units: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, objective: Objective, epochs: int) -> "Merged":
        """The same objective with its guess merged."""
        return cls(objective=objective, epochs=epochs, units=objective.units)

    @property
    def vectorizes(self) -> bool:
        return self.objective.vectorizes

    def loss(self, variables: Variables, gradient: Gradient) -> Float[Tensor, ""]:
        return self.objective.loss(variables, gradient)

    def guess(self, variables: Variables) -> Guess:
        guess = self.objective.guess(variables)
        assert guess.labels is not None
        return merge(guess.inputs, guess.labels, self.epochs)

    def completed(self, start: Variables, rng: Generator) -> Variables:
        return self.objective.completed(start, rng)

    def project(self, variables: Variables) -> None:
        self.objective.project(variables)


def merge(inputs: Float[Tensor, "images channels height width"], labels: Int[Tensor, " images"], epochs: int) -> Guess:
    """The mean over epochs, each put in the order of the first by the assignment of least squared distance.

    Only images of the same label are assigned to each other, if every epoch has each label equally often.
    Source: https://arxiv.org/abs/2206.12395
    """
    images, classes = inputs.reshape(epochs, -1, *inputs.shape[1:]), labels.reshape(epochs, -1)
    ordered = [images[0]]
    for others, named in zip(images[1:], classes[1:], strict=True):
        cost = (images[0][:, None] - others[None]).square().flatten(2).mean(2)
        # Far more than a pixel's range squared, so that labels decide first.
        cost = cost + 1e3 * (classes[0][:, None] != named[None])
        _, columns = linear_sum_assignment(cost.cpu().numpy())
        ordered.append(others[torch.as_tensor(columns, device=others.device)])
    return Guess(torch.stack(ordered).mean(0), classes[0])
