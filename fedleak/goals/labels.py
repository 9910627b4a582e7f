"""Labels: those of the examples behind an update are read."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from jaxtyping import Float, Float64, Int
from torch import Generator, Tensor

from fedleak.contracts.metric import Metric
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.view import View
from fedleak.goals.answer import Answer
from fedleak.goals.goal import Goal, examples_in, public_in
from fedleak.goals.inputs import drawn_public, example_metric, too_many
from fedleak.goals.judgement import Judgement
from fedleak.goals.measured import Measured
from fedleak.learning.batch import Batch, as_labels, label_counts, matched_overlaps, overlaps, whole_counts

PUBLIC, BATCHES = 1000, 64
"""Public sets of labels that are compared with each other at most, and batches of them that guesses are tried on."""


class DistributionMetric(Metric):
    """Judges how often each label was guessed to come. A sample is one of the examples; all have the same figure."""

    compares: ClassVar[Kind] = "labels"

    @abstractmethod
    def of_message(self, guess: Float64[Tensor, " classes"], truth: Float64[Tensor, " classes"]) -> float:
        """One value from two distributions over the same classes; each sums to 1."""


class Labels(Goal):
    """The labels of the examples behind an update. A sample is one of these.

    Metrics on it are `ExampleMetric`s, or `DistributionMetric`s.
    """

    name: ClassVar[Kind] = "labels"
    noun: ClassVar[str] = "label"
    verb: ClassVar[str] = "read"
    guessing: ClassVar[str] = "guesses labels"
    unguessed: ClassVar[str] = "the attack guesses no labels"
    hit_or_miss: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("label-recall",)
    sentences: ClassVar[Mapping[Judgement, str]] = {
        Judgement.LEAKED: "Labels were read under {names}.",
        Judgement.BEYOND: "Under {names} more of the labels was read than guessing gives.",
        Judgement.UNCLEAR: "Under {names} luck may explain the labels that were read.",
        Judgement.TOO_FEW: "Under {names} there are too few labels to tell reading from guessing.",
        Judgement.NOTHING: "Under {names} these attackers read no more labels than guessing does; {tested}",
        Judgement.MISSING: "Under {names} no attack has a figure for the labels.",
    }

    def aligned(self, made: Reconstruction, answer: Answer) -> Reconstruction:
        """The same: labels have no order. One for each example at most."""
        if made.failure is not None or made.labels is None or len(made.labels) <= len(answer.truth):
            return made
        return replace(made, failure=too_many(len(made.labels), "labels", answer))

    def unfit(self, metric: Metric, answer: Answer) -> str | None:
        if not isinstance(metric, DistributionMetric):
            return example_metric(metric).inapplicable(answer.truth)
        return "each example has a set of labels, and a distribution is of one each" if _sets(answer) else None

    def measure(self, metric: Metric, guess: Reconstruction, answer: Answer) -> Measured:
        said = guess.label_distribution
        if said is None or guess.failure is not None or _sets(answer) or not isinstance(metric, DistributionMetric):
            return super().measure(metric, guess, answer)
        if not bool(said.isfinite().all()) or bool((said < 0).any()) or not float(said.sum()) > 0:
            return Measured(reason="the attack guesses no distribution of labels: expected shares of 0 or more")
        return self._distributions(metric, said.double() / said.double().sum(), answer)

    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        truth = answer.truth
        if isinstance(metric, DistributionMetric):
            return self._distributions(metric, torch.bincount(guess).double() / max(len(guess), 1), answer)
        if guess.shape[1:] != truth.labels.shape[1:]:
            kinds = ["one label an example" if one.dim() == 1 else "a set of labels" for one in (guess, truth.labels)]
            return Measured(reason=f"the attack guesses {kinds[0]}, and each has {kinds[1]}")
        batch = Batch(torch.zeros(len(guess), *truth.inputs.shape[1:]), guess, truth.space)
        return Measured(tuple(example_metric(metric).per_sample(batch, truth)))

    @staticmethod
    def _distributions(metric: DistributionMetric, said: Float64[Tensor, " said"], answer: Answer) -> Measured:
        labels = answer.truth.labels
        true = torch.bincount(labels, minlength=len(said)).double() / len(labels)
        padded = torch.cat([said, said.new_zeros(len(true) - len(said))])
        return Measured((metric.of_message(padded, true),) * len(labels))

    def prior(self, view: View, rng: Generator) -> Tensor | None:
        """Labels as often as they are public, without public data all as often.

        Where examples have several labels it is the guess that does best on batches of public sets.
        """
        task, examples, public = view.task, examples_in(view), public_in(view)
        if examples is None:
            return None
        frequency = label_frequency(view)
        if frequency is None:
            nothing = torch.zeros(examples, task.classes, dtype=torch.long)
            return nothing if public is None else _frequent_sets(public.labels[:PUBLIC], examples, rng)
        return as_labels(whole_counts(examples * frequency, examples))

    def no_access(self, view: View, rng: Generator) -> Tensor | None:
        """Those of public examples drawn at random: of the same that an equally seeded draw of inputs gives."""
        drawn = drawn_public(view, rng)
        return None if drawn is None else drawn.labels


def label_frequency(view: View) -> Float[Tensor, " classes"] | None:
    """How often each label comes in public, all alike without public data; None where examples have several."""
    task, public = view.task, public_in(view)
    if task.criterion.several_labels:
        return None
    if public is None:
        return torch.full((task.classes,), 1.0 / task.classes)
    return torch.bincount(public.labels, minlength=task.classes) / len(public)


def blind_distribution(view: View) -> Float[Tensor, " classes"] | None:
    """The same where there are labels to guess: all that is known of their distribution without access."""
    return None if examples_in(view) is None else label_frequency(view)


def _sets(answer: Answer) -> bool:
    return answer.truth.labels.dim() > 1


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
