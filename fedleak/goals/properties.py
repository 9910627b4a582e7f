"""Properties: do most of the examples behind an update have them; what share of all that are behind a model?"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
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
from fedleak.learning.having import share_of
from fedleak.learning.space import require_images


class PropertyMetric(Metric):
    """Judges answers to the questions in `fedleak.contracts.properties`. A sample is one question about one message.

    Of a released model it judges which of some stated shares of all examples behind it have a property: one question.
    """

    compares: ClassVar[Kind] = "properties"
    of_catalogue: ClassVar[bool] = True
    """Whether it judges questions about an update's images; else it judges shares alone."""

    @abstractmethod
    def per_property(
        self, guess: Float[Tensor, " properties"], truth: Float[Tensor, " properties"]
    ) -> Float[Tensor, " properties"]:
        """One value for each question from the guessed probability of yes and the answer, 1 or 0."""

    def of_share(self, guess: Float64[Tensor, " shares"], shares: Float64[Tensor, " shares"], true: float) -> float:
        """From the probability of each share and the true one; as it is here, of each alike whether it is the nearest.

        Of two shares this is the question whether it is the second.
        """
        right = torch.zeros_like(guess)
        right[nearest(shares, true)] = 1.0
        return float(self.per_property(guess, right).mean())


def nearest(shares: Float64[Tensor, " shares"], true: float) -> int:
    """The place of the share that is nearest to the true one; of two as near the first."""
    return int((shares - true).abs().argmin())


class Properties(Goal):
    """Answers to questions about a batch, or about all behind a model. Metrics on it are `PropertyMetric`s."""

    name: ClassVar[Kind] = "properties"
    noun: ClassVar[str] = "question"
    verb: ClassVar[str] = "answered"
    guessing: ClassVar[str] = "answers questions about properties"
    unguessed: ClassVar[str] = "the attack answers no questions about properties"
    hit_or_miss: ClassVar[bool] = True
    blindly: ClassVar[str] = "the prior once more"
    of_examples: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("property-accuracy", "property-brier")
    metrics_of_models: ClassVar[tuple[str, ...]] = ("share-error",)
    sentences: ClassVar[Mapping[Judgement, str]] = {
        Judgement.LEAKED: "Questions about the training data were answered under {names}.",
        Judgement.BEYOND: "Under {names} questions about the training data were answered better than guessing does.",
        Judgement.UNCLEAR: "Under {names} luck may explain the questions that were answered.",
        Judgement.TOO_FEW: "Under {names} there are too few messages to tell answers from guessing.",
        Judgement.NOTHING: "Under {names} these attackers answered no more questions than guessing does; {tested}",
        Judgement.MISSING: "Under {names} no attack has a figure for the questions.",
    }

    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        if not isinstance(metric, PropertyMetric):
            raise of_no_known_kind(metric)
        if answer.shares:
            return _of_share(metric, guess, answer)
        if not metric.of_catalogue:
            return Measured(reason=f"{metric.name} judges shares of a property, and none was asked about", fits=False)
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
        the examples are no images. Of shares that are told apart each is as probable.
        """
        if view.shares:
            return torch.full((len(view.shares),), 1 / len(view.shares))
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


def _of_share(metric: PropertyMetric, guess: Tensor, answer: Answer) -> Measured:
    if guess.shape != (len(answer.shares),):
        return Measured(reason=f"the attack says how probable {len(guess)} shares are of {len(answer.shares)}")
    if not guess.isfinite().all():
        return Measured((math.nan,), "the question had no answer")
    true = share_of(answer.truth, answer.asked_property, "adversary.property")
    shares = torch.tensor(answer.shares, dtype=torch.float64)
    return Measured((metric.of_share(guess.double(), shares, true),))
