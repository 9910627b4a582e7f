"""Sorted neurons: the meta-classifier with the neurons of each layer in an order that training has no say in."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.learning.weights import NamedTensors
from fedleak.settings.base import Count

from ..parts.property.perceptron import Layer, layers_of, one_of, sorted_by_sum
from ..parts.property.share_shadows import ShareShadows, told_by_weights


@attacks.register("sorted-neurons")
@dataclass(frozen=True, kw_only=True)
class SortedNeurons(Attack[Released]):
    """Learns on the weights of perceptrons of its own, each layer's neurons sorted by the sum of what comes into them.

    A network computes the same whatever order its hidden neurons are in, so that of two models that are alike weights
    in the same place have little to do with each other; sorted, they have more. Otherwise it is `meta-classifier`.
    """

    paper: ClassVar = "https://doi.org/10.1145/3243734.3243834"
    cites: ClassVar = "ganju2018property"
    shadows: Count = 400
    """Models of its own."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"properties"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        seen = sorted_by_sum(layers_of(observation.task, one_of(observation.weights.parameters)))
        shadows = ShareShadows.of(observation, self.shadows)
        known = sorted_by_sum(layers_of(observation.task, shadows.parameters))
        own = {name: value[0] for name, value in _named(seen).items()}
        return Reconstruction(properties=told_by_weights(_named(known), shadows.answers, own).float())


def _named(layers: tuple[Layer, ...]) -> NamedTensors:
    weights = {f"{place}.weight": layer.weight for place, layer in enumerate(layers)}
    return weights | {f"{place}.bias": layer.bias for place, layer in enumerate(layers)}
