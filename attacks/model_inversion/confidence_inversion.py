"""Confidence inversion: the image of a class that a service is surest of, among those that look like images."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.served import Served
from fedleak.settings.base import Share

from ..parts.generators.linear import LinearSpace, fit_cosines, fit_principal_components
from ..parts.model_inversion.base import ServiceInversion


@attacks.register("confidence-inversion")
@dataclass(frozen=True, kw_only=True)
class ConfidenceInversion(ServiceInversion):
    """Asks a service about images made of a few patterns, and goes where its confidence in a class rises.

    The paper's attack on an API, which has no weights to differentiate: the slope is estimated from answers. Its
    objective is the margin to the likeliest other class, since a confidence near 1 says nothing any more. One answer
    tells something about every class, so the slopes of all of them are fitted to the answers to all questions.

    Where answers are coarse or noisy, a logistic model is fitted that makes them likeliest, whatever it is that
    they leave: rounded confidences, those of the top classes, or the label alone.
    """

    paper: ClassVar = "https://doi.org/10.1145/2810103.2813677"
    cites: ClassVar = "fredrikson2015model"
    basis: Literal["principal-components", "cosines"] = "principal-components"
    """The patterns: of public images, or the lowest frequencies of a cosine transform, which need none."""
    variance: Share = 0.88
    """Share of the variance of public images that principal components are taken for; fewer are easier to search."""

    def space(self, observation: Served, rng: Generator) -> LinearSpace:  # noqa: ARG002
        if self.basis == "cosines":
            return fit_cosines(observation.auxiliary, observation.task.space, self.dimensions)
        return fit_principal_components(observation.auxiliary, self.dimensions, self.variance)
