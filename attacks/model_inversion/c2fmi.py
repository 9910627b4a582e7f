"""C2FMI: coarse-to-fine inversion, from what an answer usually looks like to the image that is answered so."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float64
from torch import Generator, Tensor

from fedleak.contracts.attack import attacks
from fedleak.contracts.served import Served
from fedleak.settings.base import Count, Share

from ..parts.generators.autoencoder import fit_autoencoder
from ..parts.generators.gan import fit_gan
from ..parts.generators.latent_space import LatentSpace, enough
from ..parts.generators.linear import fit_principal_components
from ..parts.model_inversion.base import ServiceInversion
from ..parts.model_inversion.evolution import POPULATION
from ..parts.model_inversion.inquiry import Inquiry
from ..parts.model_inversion.inverse_map import InverseMap, matched

SPREAD = 0.5
"""Standard deviation of the first generation about what the inverse map gives."""


@attacks.register("c2fmi")
@dataclass(frozen=True, kw_only=True)
class C2FMI(ServiceInversion):
    """Learns on public images what images answers come from, asks a generator for such a one, and improves on it.

    Coarse: the service is shown public images; from its answers a map is fitted back to what an extractor sees in
    them, and applied to the answer of a service that is sure of the class. Latents are found whose image the extractor
    sees the same in. Fine: a search from there, by the answers to generated images.

    Differences from the paper: the extractor is the principal components of public images in place of a network for
    faces, the map a ridge regression from log odds, the generator is made from public images within the attack, and
    differential evolution, the paper's search, is an option beside slopes, which need a tenth of the questions.
    """

    paper: ClassVar = "https://ieeexplore.ieee.org/document/10148574"
    cites: ClassVar = "ye2023c2fmi"
    generator: Literal["principal-components", "autoencoder", "gan"] = "principal-components"
    """What images are made by."""
    dimensions: Count = 16
    """Coordinates of the generator's latent space, at most."""
    training_steps: Count = 1000
    """Steps that a network is trained for, where the generator is one."""
    shown: Share = 0.1
    """Share of the budget that public images are shown for."""
    features: Count = 32
    """Principal components that the extractor looks at, at most."""

    def space(self, observation: Served, rng: Generator) -> LatentSpace:
        public, task = observation.auxiliary, observation.task
        match self.generator:
            case "autoencoder":
                return fit_autoencoder(task, public, self.dimensions, self.training_steps, rng)
            case "gan":
                return fit_gan(task, public, self.dimensions, self.training_steps, rng)
        return fit_principal_components(public, self.dimensions)

    def points(
        self,
        observation: Served,
        inquiry: Inquiry,
        rng: Generator,
        starts: Float64[Tensor, "wanted starts dimensions"] | None = None,
    ) -> Float64[Tensor, "wanted dimensions"]:
        if self.reading == "coarse" or self.adapts_to(observation.defense):
            return super().points(observation, inquiry, rng, starts)
        coarse = self._coarse(observation, inquiry)
        population = SPREAD * torch.randn(len(coarse), POPULATION, coarse.shape[1], generator=rng).double()
        population[:, 0] = 0.0
        return super().points(observation, inquiry, rng, coarse[:, None] + population)

    def _coarse(self, observation: Served, inquiry: Inquiry) -> Float64[Tensor, "wanted dimensions"]:
        """For each class the latents of an image that is likely behind an answer which is sure of it."""
        public = enough(observation.auxiliary)
        extractor = fit_principal_components(public, self.features)
        images = public.inputs[: int(self.shown * inquiry.remaining)]
        answers = inquiry.show(images)
        back = InverseMap.fitted(answers, extractor.encode(images[: len(answers)]))
        features = back.features(observation.classes, self.cap)
        return matched(inquiry.space, extractor, features, self.prior)
