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
from fedleak.learning.batch import label_counts, matched_overlaps, overlaps
from fedleak.learning.space import require_images

from ..parts.classifier_head.label_rule import as_labels, whole_counts

PUBLIC, BATCHES = 1000, 64
"""Public sets of labels that are compared with each other at most, and batches of them that guesses are tried on."""


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

    def reconstruct(self, observation: Observation, rng: Generator) -> Reconstruction:
        task, examples, public = observation.task, observation.examples(), observation.auxiliary
        image = torch.full(task.shape, task.space.middle)
        if public is not None and len(public):
            image = public.inputs.mean(0)
        return Reconstruction(
            inputs=image.expand(examples, *task.shape).clone(),
            labels=_frequent(observation, rng),
            membership=no_preference(observation),
            properties=public_majority(observation),
        )


def _frequent(observation: Observation, rng: Generator) -> Int[Tensor, "examples *classes"]:
    """Labels as often as they are public, without public data all as often.

    Where examples have several labels it is the guess that does best on batches of public sets: see `_frequent_sets`.
    """
    task, examples, public = observation.task, observation.examples(), observation.auxiliary
    known = None if public is None or not len(public) else public.labels
    if task.criterion.several_labels:
        nothing = torch.zeros(examples, task.classes, dtype=torch.long)
        return nothing if known is None else _frequent_sets(known[:PUBLIC], examples, rng)
    frequency = torch.full((task.classes,), 1.0 / task.classes)
    if known is not None:
        frequency = torch.bincount(known, minlength=task.classes) / len(known)
    return as_labels(whole_counts(examples * frequency, examples))


def _frequent_sets(
    known: Int[Tensor, "public classes"], examples: int, rng: Generator
) -> Int[Tensor, "examples classes"]:
    """Sets that overlap most with those of batches of public examples, matched one to one.

    Tried are one set for all (the best of the public ones and of the most frequent labels, as many as there may be),
    and the public sets as often as they come, which of sets of one are labels by their frequency.
    """
    order = label_counts(known, known.shape[1]).argsort(descending=True, stable=True)
    most_frequent = torch.zeros(known.shape[1] + 1, known.shape[1], dtype=torch.long)
    for count in range(known.shape[1] + 1):
        most_frequent[count, order[:count]] = 1
    single = torch.cat([known, most_frequent])
    best = single[overlaps(single, known).sum(1).argmax()].expand(examples, -1).clone()
    if examples == 1:
        return best
    different, times = torch.unique(known, dim=0, return_counts=True)
    dealt: Tensor = different[as_labels(whole_counts(examples * times / len(known), examples))]
    batches = [known[torch.randint(len(known), (examples,), generator=rng)] for _ in range(BATCHES)]
    return max((dealt, best), key=lambda guess: sum(sum(matched_overlaps(batch, guess)) for batch in batches))
