"""Deep sets: a network that reads a model's neurons as a set says what share of all training data has a property."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.settings.base import Count

from ..parts.property.deep_sets import told_by_neurons
from ..parts.property.perceptron import layers_of, one_of
from ..parts.property.share_shadows import ShareShadows


@attacks.register("deep-sets")
@dataclass(frozen=True, kw_only=True)
class DeepSets(Attack[Released]):
    """Learns on perceptrons of its own, whose neurons it reads as sets, how models look under each share of a property.

    One small network says of each neuron of a layer what it is, whichever that is; the mean over a layer goes to
    another one, which tells the shares apart. So the order of hidden neurons makes no difference, and what is learnt
    of one neuron holds of all. Models of its own are those of `meta-classifier`.
    """

    paper: ClassVar = "https://doi.org/10.1145/3243734.3243834"
    cites: ClassVar = "ganju2018property"
    shadows: Count = 400
    """Models of its own."""
    epochs: Count = 30
    """Of the network that reads models."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"properties"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:
        seen = layers_of(observation.task, one_of(observation.weights.parameters))
        shadows = ShareShadows.of(observation, self.shadows)
        known = layers_of(observation.task, shadows.parameters)
        told = told_by_neurons(known, shadows.answers, seen, self.epochs, rng)
        return Reconstruction(properties=told.float())
