"""Class means: the baseline of a guess that makes use of the labels in an update, and of nothing else."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.batch import class_means
from fedleak.learning.space import require_continuous

from ..label_inference.auto_labels import AutoLabels
from ..parts.classifier_head.label_rule import LabelRule

NO_CLASS = -1
"""The label of an example beyond those that the rule found: its guess is the mean of all public images."""


@attacks.register("class-mean")
@dataclass(frozen=True, kw_only=True)
class ClassMean(Attack):
    """Infers the labels and guesses for each the mean public image of its class.

    The third baseline of scores on images, beside `prior` and `no-access`: labels leak first and most, and an image
    that shows no more than its class is no image that leaked. A class without public examples gets the mean of all.
    Without public data there is no such guess.
    """

    paper: ClassVar = "https://arxiv.org/abs/2201.04845"
    cites: ClassVar = "balle2022reconstructing"
    labels: LabelRule = AutoLabels()
    """How labels are inferred."""

    @property
    def targets(self) -> frozenset[Kind]:
        return frozenset({"inputs"})

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        require_continuous(observation.task.space, "a mean example")
        public = observation.auxiliary
        if public is None or not len(public):
            raise NotApplicable("the adversary holds no public examples to take the means of")
        return Reconstruction(inputs=class_means(public, self._labels(observation, rng)))

    def _labels(self, observation: Observation, rng: Generator) -> Int[Tensor, "examples *classes"]:
        """One for each example, or a set."""
        inferred = self.labels.infer(observation, rng)
        if inferred.dim() == 2:
            return inferred
        labels = torch.full((observation.examples(),), NO_CLASS)
        labels[: len(inferred)] = inferred[: len(labels)]
        return labels
