"""Properties: do most of the examples behind an update have them?"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float
from scipy.special import bdtrc
from torch import Generator, Tensor

from fedleak.contracts.metric import Metric
from fedleak.contracts.properties import CATALOGUE, of_each, of_most
from fedleak.contracts.reconstruction import Kind
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable
from fedleak.goals.answer import Answer
from fedleak.goals.goal import Goal, examples_in, of_no_known_kind, public_in
from fedleak.goals.judgement import Judgement
from fedleak.goals.measured import Measured
from fedleak.learning.space import require_images


class PropertyMetric(Metric):
    """Judges answers to the questions in `fedleak.contracts.properties`. A sample is one question about one message."""

    compares: ClassVar[Kind] = "properties"

    @abstractmethod
    def per_property(
        self, guess: Float[Tensor, " properties"], truth: Float[Tensor, " properties"]
    ) -> Float[Tensor, " properties"]:
        """One value for each question from the guessed probability of yes and the answer, 1 or 0."""


class Properties(Goal):
    """Answers to questions about a batch. Metrics on it are `PropertyMetric`s."""

    name: ClassVar[Kind] = "properties"
    noun: ClassVar[str] = "question"
    verb: ClassVar[str] = "answered"
    guessing: ClassVar[str] = "answers questions about properties"
    unguessed: ClassVar[str] = "the attack answers no questions about properties"
    hit_or_miss: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("property-accuracy", "property-brier")
    sentences: ClassVar[Mapping[Judgement, str]] = {
        Judgement.LEAKED: "Questions about the batches were answered under {names}.",
        Judgement.BEYOND: "Under {names} questions about the batches were answered better than guessing does.",
        Judgement.UNCLEAR: "Under {names} luck may explain the questions that were answered.",
        Judgement.TOO_FEW: "Under {names} there are too few messages to tell answers from guessing.",
        Judgement.NOTHING: "Under {names} these attackers answered no more questions than guessing does; {tested}",
        Judgement.MISSING: "Under {names} no attack has a figure for the questions.",
    }

    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        if not isinstance(metric, PropertyMetric):
            raise of_no_known_kind(metric)
        try:
            require_images(answer.truth.space, f"'{metric.name}'")
        except NotApplicable as refusal:
            return Measured(reason=str(refusal), fits=False)
        right = of_most(answer.truth.inputs)
        unanswered = int((guess.isnan() & ~right.isnan()).sum())
        reason = f"{unanswered} of {int((~right.isnan()).sum())} questions had no answer" if unanswered else None
        values = metric.per_property(guess, right).double().masked_fill(guess.isnan() | right.isnan(), math.nan)
        return Measured(tuple(values.tolist()), reason)

    def prior(self, view: View, rng: Generator) -> Tensor | None:  # noqa: ARG002
        """For each property how probable it is that most of so many examples have it, if they are like public ones.

        The number that have it is binomial. Without public data each is as probable in an example as not. None where
        the examples are no images.
        """
        examples, public = examples_in(view), public_in(view)
        if examples is None:
            return None
        try:
            require_images(view.task.space, "the catalogue of properties")
        except NotApplicable:
            return None
        share = torch.full((len(CATALOGUE),), 0.5) if public is None else of_each(public.inputs).mean(0)
        return torch.tensor([bdtrc(examples // 2, examples, float(probability)) for probability in share])

    def no_access(self, view: View, rng: Generator) -> Tensor | None:
        """The same: public frequency is all that there is to know."""
        return self.prior(view, rng)
