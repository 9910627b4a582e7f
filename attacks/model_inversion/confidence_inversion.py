"""Confidence inversion: the image of a class that a service is surest of, among those that look like images."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.errors import NotApplicable
from fedleak.settings.base import Amount, Count, Rate

from ..parts.generators.latent_space import LatentSpace
from ..parts.generators.linear import fit_cosines, fit_principal_components
from ..parts.model_inversion.gradient_estimate import by_coarse_answers, by_exact_answers
from ..parts.model_inversion.inquiry import Inquiry
from ..parts.model_inversion.objective import Objective, Reading, is_coarse


@attacks.register("confidence-inversion")
@dataclass(frozen=True, kw_only=True)
class ConfidenceInversion(Attack[Served]):
    """Asks a service about images made of a few patterns, and goes where its confidence in a class rises.

    The paper's attack on an API, which has no weights to differentiate: the slope is estimated from answers. Its
    objective is the margin to the likeliest other class, since a confidence near 1 says nothing any more.
    """

    paper: ClassVar = "https://doi.org/10.1145/2810103.2813677"
    cites: ClassVar = "fredrikson2015model"
    basis: Literal["principal-components", "cosines"] = "principal-components"
    """The patterns: of public images, or the lowest frequencies of a cosine transform, which need none."""
    dimensions: Count = 16
    """How many patterns."""
    reading: Reading = "auto"
    """Whether answers are taken at face value ("exact") or as signs of what is behind them ("coarse"); "auto": by what
    is public of the defenses of answers."""
    cap: Rate = 10.0
    """Nats of margin beyond which more is no gain: an uncapped search leaves the images that there are."""
    prior: Amount = 0.4
    """Weight of half the squared distance from the mean public image, in standard deviations."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"representatives"})

    def adapts_to(self, chain: Chain) -> bool:
        return self.reading == "auto" and is_coarse(chain)

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:
        wanted = observation.classes
        if not wanted:
            raise NotApplicable("nobody asked for a class: the attack needs classes to give representatives of")
        inquiry = Inquiry(observation.service, self._space(observation), observation.task.classes)
        objective = Objective(cap=self.cap, prior=self.prior)
        if self.reading == "coarse" or self.adapts_to(observation.defense):
            noise = observation.defense.answer_noise
            points = by_coarse_answers(inquiry, wanted, objective, noise, rng)
        else:
            points = by_exact_answers(inquiry, wanted, objective, rng)
        return Reconstruction(representatives=inquiry.images(points))

    def _space(self, observation: Served) -> LatentSpace:
        if self.basis == "cosines":
            return fit_cosines(observation.auxiliary, observation.task.space, self.dimensions)
        return fit_principal_components(observation.auxiliary, self.dimensions)
