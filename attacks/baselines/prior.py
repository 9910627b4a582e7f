"""The prior: the baseline of the mean guess made without any update."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from scipy.special import bdtrc
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.properties import CATALOGUE, of_each
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import NotApplicable
from fedleak.learning.batch import overlaps
from fedleak.learning.space import require_images

from ..parts.classifier_head.label_rule import as_labels, whole_counts

PUBLIC = 1000
"""Public sets of labels that are compared with each other at most."""


def no_preference(observation: Observation) -> Float[Tensor, " candidates"] | None:
    """The same score for each candidate: scored by ties, that is what scores drawn at random get in the mean."""
    return None if observation.candidates is None else torch.zeros(len(observation.candidates))


def public_majority(observation: Observation) -> Float[Tensor, " properties"] | None:
    """For each property how probable it is that most of so many examples have it, if they are like public ones.

    The number that have it is binomial. Without public data each is as probable in an example as not. None where the
    examples are no images.
    """
    try:
        require_images(observation.task.space, "the catalogue of properties")
    except NotApplicable:
        return None
    public = observation.auxiliary
    share = torch.full((len(CATALOGUE),), 0.5)
    if public is not None and len(public):
        share = of_each(public.inputs).mean(0)
    examples = observation.examples()
    return torch.tensor([bdtrc(examples // 2, examples, float(probability)) for probability in share])


@attacks.register("prior")
@dataclass(frozen=True, kw_only=True)
class Prior(Attack):
    """Guesses the mean public example for every example and the labels by their public frequency; ignores the update.

    The baseline of every score: what an adversary says who saw nothing. Without public data the example is in the
    middle of its range (mid-gray) and all classes count as equally frequent. Candidates are all as likely to it, and a
    property is as probable as by its public frequency.
    """

    paper: ClassVar = "https://arxiv.org/abs/2201.04845"
    cites: ClassVar = "balle2022reconstructing"

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:  # noqa: ARG002
        task, examples, public = observation.task, observation.examples(), observation.auxiliary
        image = torch.full(task.shape, task.space.middle)
        if public is not None and len(public):
            image = public.inputs.mean(0)
        return Reconstruction(
            inputs=image.expand(examples, *task.shape).clone(),
            labels=_frequent(observation),
            membership=no_preference(observation),
            properties=public_majority(observation),
        )


def _frequent(observation: Observation) -> Int[Tensor, "examples *classes"]:
    """Labels as often as they are public, without public data all as often.

    Where examples have several labels, for each the public set that is most like all of them; else none.
    """
    task, examples, public = observation.task, observation.examples(), observation.auxiliary
    known = None if public is None or not len(public) else public.labels
    if task.criterion.several_labels:
        some = torch.zeros(1, task.classes, dtype=torch.long) if known is None else known[:PUBLIC]
        return some[overlaps(some, some).sum(1).argmax()].expand(examples, -1).clone()
    frequency = torch.full((task.classes,), 1.0 / task.classes)
    if known is not None:
        frequency = torch.bincount(known, minlength=task.classes) / len(known)
    return as_labels(whole_counts(examples * frequency, examples))
