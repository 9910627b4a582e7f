"""Meta-classifier: reads off a model's weights what share of all training data has a property."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.released import Released
from fedleak.settings.base import Count

from ..parts.property.share_shadows import ShareShadows, told_by_weights


@attacks.register("meta-classifier")
@dataclass(frozen=True, kw_only=True)
class MetaClassifier(Attack[Released]):
    """A classifier of models: learns on the weights of models of its own how they look under each share of a property.

    Federations like the observed one are trained on public examples, of each share that is told apart as many, and a
    logistic regression learns the share from all weights in a row. The order of hidden neurons, which says nothing,
    counts for it. Models of its own train as the clients do, as far as that is known, and undefended.
    """

    paper: ClassVar = "https://arxiv.org/abs/1306.4447"
    cites: ClassVar = "ateniese2015hacking"
    shadows: Count = 400
    """Models of its own."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"properties"})

    def reconstruct(self, observation: Released, rng: Generator) -> Reconstruction:  # noqa: ARG002
        shadows = ShareShadows.of(observation, self.shadows)
        told = told_by_weights(shadows.parameters, shadows.answers, observation.weights.parameters)
        return Reconstruction(properties=told.float())
