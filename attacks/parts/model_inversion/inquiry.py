"""Inquiry: questions to a service within its budget, and all that it answered."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from fedleak.contracts.served import Service

from ..generators.latent_space import LatentSpace


class Inquiry:
    """Asks about points of a latent space, in units of each coordinate's standard deviation, and keeps the answers.

    Never asks more than the service still takes: what is beyond is dropped, and answered by fewer rows. Refused
    questions are not kept; they count for the service all the same.
    """

    def __init__(self, service: Service, space: LatentSpace, classes: int) -> None:
        self.service, self.space = service, space
        self.points: Float64[Tensor, "asked dimensions"] = torch.zeros(0, space.dimensions).double()
        self.answers: Float64[Tensor, "asked classes"] = torch.zeros(0, classes).double()
        self.budget = service.remaining

    @property
    def remaining(self) -> int:
        return self.service.remaining

    def images(self, points: Float64[Tensor, "points dimensions"]) -> Float[Tensor, "points *shape"]:
        return self.space.decode((points * self.space.scale).float()).detach()

    def ask(self, points: Float64[Tensor, "points dimensions"]) -> Float64[Tensor, "answered classes"]:
        """A row of probabilities for each point, in order, NaN where it was refused; fewer where the budget ends."""
        answers = self.show(self.images(points[: self.remaining]))
        answered = answers.isfinite().all(1)
        self.points = torch.cat([self.points, points[: len(answers)][answered]])
        self.answers = torch.cat([self.answers, answers[answered]])
        return answers

    def show(self, images: Float[Tensor, "images *shape"]) -> Float64[Tensor, "answered classes"]:
        """The same for images that are no points of the space; their answers are not kept."""
        images = images[: self.remaining]
        return self.service.ask(images).double() if len(images) else self.answers[:0]
