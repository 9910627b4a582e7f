"""Boundary inversion, BREP-MI: away from where a service's label changes, by labels alone."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.progress import report
from fedleak.settings.base import Count, Rate, Share

from ..parts.generators.linear import fit_principal_components
from ..parts.model_inversion.asked_classes import asked_classes
from ..parts.model_inversion.inquiry import Inquiry


@attacks.register("boundary-inversion")
@dataclass(frozen=True, kw_only=True)
class BoundaryInversion(Attack[Served]):
    """Finds the center of the region that a service gives a label to: around it, all of ever larger spheres have it.

    Of points on a sphere those with another label repel and the others attract. Once none has another label, the sphere
    is made larger. The likeliest label is all that is read of an answer, so defenses that leave it change nothing.

    Differences from the paper: the space is that of public images' principal components in place of a GAN's, and
    questions at random find where to begin for all classes at once, at the mean of those that have the label.
    """

    paper: ClassVar = "https://arxiv.org/abs/2203.01925"
    cites: ClassVar = "kahla2022label"
    dimensions: Count = 64
    """Principal components of public images, at most."""
    variance: Share = 0.88
    """Share of the variance of public images that they are taken for."""
    beginning: Share = 0.6
    """Share of the budget that is asked at random for where to begin."""
    spheres: Count = 8
    """Spheres about each class's point, at most: with more questions they have more points, as more of them would lead
    away from the images that there are."""
    fewest: Count = 10
    """Points on a sphere, at least."""
    radius: Rate = 0.15
    """Of the first sphere, in units of the distance at which public images are from their mean."""
    growth: Rate = 1.3
    """By how much the next sphere is larger."""
    step: Rate = 0.5
    """Length of a step, in radii."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"representatives"})

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:
        wanted = asked_classes(observation)
        space = fit_principal_components(observation.auxiliary, self.dimensions, self.variance)
        inquiry = Inquiry(observation.service, space, observation.task.classes)
        points = self._begun(inquiry, wanted, rng)
        radii = torch.full((len(wanted),), self.radius * space.dimensions**0.5).double()
        size = max(self.fewest, inquiry.remaining // (self.spheres * len(wanted)))
        while inquiry.remaining >= len(wanted) * size:
            report(inquiry.budget - inquiry.remaining, inquiry.budget)
            self._step(inquiry, wanted, points, radii, size, rng)
        return Reconstruction(representatives=inquiry.images(points))

    def _begun(self, inquiry: Inquiry, wanted: Tensor, rng: Generator) -> Float64[Tensor, "wanted dimensions"]:
        """For each class the mean of random points that are labelled so; of all where none is."""
        drawn = torch.randn(int(self.beginning * inquiry.budget), inquiry.space.dimensions, generator=rng).double()
        inquiry.ask(drawn)
        own = (inquiry.answers.argmax(1) == wanted[:, None]).double()
        return own @ inquiry.points / own.sum(1, keepdim=True).clamp_min(1.0)

    def _step(self, inquiry: Inquiry, wanted: Tensor, points: Tensor, radii: Tensor, size: int, rng: Generator) -> None:
        """Looks at one sphere about each point, and moves the point or grows the sphere, in place."""
        away = torch.randn(len(wanted), size, points.shape[1], generator=rng).double()
        away = away / away.norm(dim=2, keepdim=True)
        answers = inquiry.ask((points[:, None] + radii[:, None, None] * away).flatten(0, 1))
        answers = answers.view(len(wanted), size, -1)
        answered = answers.isfinite().all(2)
        own = answered & (answers.argmax(2) == wanted[:, None])
        signs = own.double() - (answered & ~own).double()
        inside = answered.any(1) & (own == answered).all(1)
        direction = torch.nn.functional.normalize((signs[..., None] * away).sum(1), dim=1)
        points += (~inside)[:, None] * self.step * radii[:, None] * direction
        radii *= torch.where(inside, self.growth, 1.0)
