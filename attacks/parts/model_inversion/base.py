"""Service inversion: what attacks on a service share, from the space that they search to the way they take answers."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float64
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack
from fedleak.contracts.chain import Chain
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.served import Served
from fedleak.settings.base import Amount, Count, Rate

from ..generators.latent_space import LatentSpace
from .asked_classes import asked_classes
from .evolution import by_evolution
from .gradient_estimate import by_coarse_answers, by_exact_answers
from .inquiry import Inquiry
from .objective import Objective, Reading, is_coarse


@dataclass(frozen=True, kw_only=True)
class ServiceInversion(Attack[Served]):
    """Searches a space of images for those that a service is surest of."""

    dimensions: Count = 64
    """Coordinates of the space that is searched, at most."""
    search: Literal["gradient", "evolution"] = "gradient"
    """Along slopes that are estimated from all answers, or by differential evolution. Coarse answers are searched along
    slopes: no generation can be chosen by them."""
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
        asked_classes(observation)
        inquiry = Inquiry(observation.service, self.space(observation, rng), observation.task.classes)
        return Reconstruction(representatives=inquiry.images(self.points(observation, inquiry, rng)))

    @abstractmethod
    def space(self, observation: Served, rng: Generator) -> LatentSpace:
        """What is searched."""

    def points(
        self,
        observation: Served,
        inquiry: Inquiry,
        rng: Generator,
        starts: Float64[Tensor, "wanted starts dimensions"] | None = None,
    ) -> Float64[Tensor, "wanted dimensions"]:
        """The best point for each class; exact answers are asked for at `starts` first, where there are some."""
        wanted, objective = observation.classes, Objective(cap=self.cap, prior=self.prior)
        if self.reading == "coarse" or self.adapts_to(observation.defense):
            return by_coarse_answers(inquiry, wanted, objective, observation.defense.answer_noise, rng)
        if self.search == "gradient":
            return by_exact_answers(inquiry, wanted, objective, rng, None if starts is None else starts[:, 0])
        return by_evolution(inquiry, wanted, objective, rng, starts)
