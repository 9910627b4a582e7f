"""Shadow generators: what a released generator draws says what share of all training data has a property."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Generator, Tensor, nn
from torch.func import functional_call, vmap

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.model import Generates
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.errors import NotApplicable
from fedleak.learning.batch import Batch
from fedleak.learning.having import having
from fedleak.learning.weights import NamedTensors
from fedleak.settings.base import Count

from ..parts.property.perceptron import one_of
from ..parts.property.share_shadows import PLACE, ShareShadows, told

PREFIX = "decoder."
AT_ONCE = 16
"""Generators that draw together."""
LEVELS = (0.1, 0.5, 0.9)
"""Probabilities from which on a drawn image counts as one that has the property."""


@attacks.register("shadow-generator")
@dataclass(frozen=True, kw_only=True)
class ShadowGenerator(Attack[Released]):
    """Draws images from a released generator and compares how many have a property with generators of its own.

    A classifier of public images says of each image how probable it is that it has the property. How that is spread
    over the images of a generator, the mean and the shares beyond three levels, a logistic regression learns from
    generators that were trained on each of the shares that are told apart.
    """

    paper: ClassVar = "https://arxiv.org/abs/2111.07608"
    cites: ClassVar = "zhou2022property"
    shadows: Count = 100
    """Generators of its own."""
    samples: Count = 1000
    """Images that each draws, from latent vectors that all of them share."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"properties"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:
        network = observation.task.network
        if not isinstance(network, Generates):
            raise NotApplicable(
                f"'{observation.task.name}' generates nothing; train a generator, as in task = {{ data = \"digits\", "
                'network = "generator", loss = "likelihood" }'
            )
        shadows = ShareShadows.of(observation, self.shadows)
        classifier = Classifier.of(shadows.public, observation.property)
        latents = torch.randn(self.samples, network.latent, generator=rng)
        known, seen = (
            torch.cat([classifier.spread(images) for images in drawn(network.decoder, stacked, latents)])
            for stacked in (shadows.parameters, one_of(observation.weights.parameters))
        )
        center, scale = known.mean(0), known.std(0).clamp_min(1e-9)
        answer = told((known - center) / scale, ((seen - center) / scale)[0], shadows.answers)
        return Reconstruction(properties=answer.float())


def drawn(
    decoder: nn.Module, stacked: NamedTensors, latents: Float[Tensor, "samples latent"]
) -> list[Float[Tensor, "models samples pixels"]]:
    """What stacked generators make of the same latent vectors, some models at a time."""
    own = {name.removeprefix(PREFIX): value for name, value in stacked.items() if name.startswith(PREFIX)}
    places = torch.split(torch.arange(len(next(iter(own.values())))), AT_ONCE)
    with torch.no_grad():
        return [
            vmap(lambda one: functional_call(decoder, one, (latents,)))({name: own[name][some] for name in own})
            for some in places
        ]


@dataclass(frozen=True)
class Classifier:
    """A logistic regression on the pixels of public images."""

    weight: Float64[Tensor, " pixels"]
    bias: float

    @classmethod
    def of(cls, public: Batch, property: str) -> "Classifier":
        """Learns who has the property; there are some of either kind, or no shadow could have been trained."""
        # Imported only here: scikit-learn is slow to import, and every attack's module is read to list them.
        from sklearn.linear_model import LogisticRegression

        has = having(public, property, PLACE)
        if has.all() or not has.any():
            raise NotApplicable(f"of the adversary's public examples all or none has '{property}'")
        model = LogisticRegression(max_iter=1000).fit(public.inputs.flatten(1).numpy(), has.numpy())
        return cls(torch.from_numpy(model.coef_[0]).double(), float(model.intercept_[0]))

    def spread(self, images: Float[Tensor, "models samples pixels"]) -> Float64[Tensor, "models features"]:
        """The mean probability over a generator's images, and the shares of them beyond each level."""
        probable = (images.double() @ self.weight + self.bias).sigmoid()
        return torch.stack([probable.mean(1), *((probable > level).double().mean(1) for level in LEVELS)], 1)
