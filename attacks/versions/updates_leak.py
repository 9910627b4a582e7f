"""Updates-Leak: what a model was updated by, from how its answers to the same questions changed."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.served import Served
from fedleak.settings.base import Count

from ..parts.versions.base import VersionReader, public_of
from ..parts.versions.changes import Changes
from ..parts.versions.shadow_updates import own_models


@attacks.register("updates-leak")
@dataclass(frozen=True, kw_only=True)
class UpdatesLeak(VersionReader, Attack[Served]):
    """Asks two versions of a model the same public probes, and reads from what changed which labels it was updated by.

    Federations of its own are trained on half of the public examples each, and updated by a few others, thousands of
    times, each as clients train. A perceptron learns from how the answers of these changed what the new examples were:
    how often each label comes, of one example which it is. Another tells where in the code of an autoencoder of public
    images the new ones lie, and that decodes them (the paper has a generative network there, CBM-GAN).

    The paper trains one model of its own, and its perceptron gets differences of probabilities (`compared =
    "difference"`). Here there are several, so that what is learnt is not about one; and logarithms are compared, as a
    model that is sure of its answers changes these by next to nothing and still says by the rest which label rose.

    Half of the questions go to either version. Where nothing changed, or was answered, it guesses by public data.
    """

    paper: ClassVar = "https://arxiv.org/abs/1904.01067"
    cites: ClassVar = "salem2020updates"
    models: Count = 30
    """Models of its own that the updates are of."""
    rounds: Count = 20
    """That these are trained for, each over all of a client's examples: until they are about as good as the target."""

    def reconstruct(self, observation: Served, rng: Generator) -> Reconstruction:
        public = public_of(observation)
        before, after = observation.earlier[-1].service, observation.service
        probes = public.inputs[: min(self.probes, after.remaining // 2)]
        first, second = before.ask(probes), after.ask(probes)
        own = own_models(observation, public, min(self.models, self.shadows), self.rounds)
        return self.read(observation, probes, Changes(before=first[None], after=second[None]), own, rng)
