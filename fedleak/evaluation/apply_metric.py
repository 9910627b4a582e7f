"""Application of a metric to one guess, sample by sample: each kind of metric gets what it compares."""

import math
from dataclasses import dataclass
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.metric import ExampleMetric, MembershipMetric, Metric, Others, PropertyMetric
from fedleak.contracts.properties import of_most
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.errors import ConfigError, NotApplicable, echo
from fedleak.evaluation.challenge import Challenge
from fedleak.evaluation.matching import NO_GUESS, finite, matched
from fedleak.learning.batch import Batch
from fedleak.learning.space import require_images


@dataclass(frozen=True)
class Measured:
    """A metric's value for each true sample, or why there is none."""

    per_sample: tuple[float, ...] = ()
    reason: str | None = None
    fits: bool = True
    """False where the metric cannot judge such a guess, or such data."""

    @property
    def applicable(self) -> list[float]:
        """The values that there are."""
        return [value for value in self.per_sample if not math.isnan(value)]

    @property
    def mean(self) -> float:
        """Of the values that there are; NaN where there is none."""
        return math.fsum(self.applicable) / len(self.applicable) if self.applicable else math.nan

    @classmethod
    def of(cls, values: Tensor) -> "Measured":
        """From one value for each sample."""
        return cls(tuple(values.double().tolist()))


@dataclass(frozen=True)
class Guess:
    """A reconstruction whose examples are in the order of the truth."""

    inputs: Float[Tensor, "batch *shape"] | None
    labels: Int[Tensor, "guesses *classes"] | None
    membership: Float[Tensor, " candidates"] | None
    properties: Float[Tensor, " properties"] | None
    failure: str | None

    @classmethod
    def of(cls, made: Reconstruction, truth: Batch) -> "Guess":
        """The guess as metrics judge it."""
        inputs = None if made.inputs is None else matched(made.inputs, truth)
        failure = made.failure or _surplus(made, truth)
        return cls(inputs, made.labels, made.membership, made.properties, failure)


def measure(metric: Metric, guess: Guess, truth: Batch, challenge: Challenge | None) -> Measured:
    """The metric's values, or why there are none."""
    if guess.failure is not None:
        return Measured(reason=guess.failure)
    match metric:
        case ExampleMetric():
            return _of_examples(metric, guess, truth)
        case MembershipMetric():
            return _of_members(metric, guess.membership, challenge)
        case PropertyMetric():
            return _of_properties(metric, guess.properties, truth)
        case _:
            raise TypeError(
                f"'{metric.name}' is a metric of no known kind; derive it from one in fedleak.contracts.metric"
            )


def _surplus(made: Reconstruction, truth: Batch) -> str | None:
    """Why a guess of more than there is cannot be scored: the best of a thousand guesses says nothing."""
    for what, guesses in (("images", made.inputs), ("labels", made.labels)):
        if guesses is not None and len(guesses) > len(truth):
            return f"the attack guesses {len(guesses)} {what} for {len(truth)} examples; expected one for each at most"
    return None


def _of_examples(metric: ExampleMetric, guess: Guess, truth: Batch) -> Measured:
    unfit = metric.inapplicable(truth)
    if unfit is not None:
        return Measured(reason=unfit, fits=False)
    if metric.compares == "labels":
        return _of_labels(metric, guess.labels, truth)
    return _of_inputs(metric, guess.inputs, truth)


def _of_labels(metric: ExampleMetric, labels: Int[Tensor, "guesses *classes"] | None, truth: Batch) -> Measured:
    if labels is None:
        return Measured(reason="the attack guesses no labels", fits=False)
    if labels.shape[1:] != truth.labels.shape[1:]:
        kinds = ["one label an example" if one.dim() == 1 else "a set of labels" for one in (labels, truth.labels)]
        return Measured(reason=f"the attack guesses {kinds[0]}, and each has {kinds[1]}")
    guess = Batch(torch.zeros(len(labels), *truth.inputs.shape[1:]), labels, truth.space)
    return Measured(tuple(metric.per_sample(guess, truth)))


def _of_inputs(metric: ExampleMetric, inputs: Float[Tensor, "batch *shape"] | None, truth: Batch) -> Measured:
    if inputs is None:
        return Measured(reason="the attack guesses no images", fits=False)
    applicable = torch.nonzero(finite(inputs)).flatten()
    missing = len(truth) - len(applicable)
    if not len(applicable):
        return Measured(reason="the attack guessed no image that is finite")
    guess = Batch(inputs[applicable], torch.full((len(applicable),), NO_GUESS), truth.space)
    values = torch.full((len(truth),), math.nan, dtype=torch.float64)
    values[applicable] = torch.tensor(metric.per_sample(guess, truth[applicable]), dtype=torch.float64)
    reason = f"{missing} of {len(truth)} samples had no usable guess" if missing else None
    return Measured(tuple(values.tolist()), reason)


def _of_members(
    metric: MembershipMetric, scores: Float[Tensor, " candidates"] | None, challenge: Challenge | None
) -> Measured:
    if scores is None:
        return Measured(reason="the attack does not say who was there", fits=False)
    if challenge is None:
        return Measured(reason="nothing tells what the candidates were", fits=False)
    if len(scores) != len(challenge.candidates):
        return Measured(reason=f"the attack scores {len(scores)} candidates of {len(challenge.candidates)}")
    if metric.against not in get_args(Others):
        expected = " or ".join(get_args(Others))
        raise ConfigError(f"metric '{metric.name}': against: expected {expected}, got {echo(metric.against)}")
    others = getattr(challenge, metric.against)
    if len(others) < metric.fewest:
        there = "there is none" if not len(others) else f"there are {len(others)}"
        return Measured(reason=f"{metric.name} needs {_others(metric)}, {there}", fits=False)
    # A candidate without a score is the least likely one: left out, the unsure ones would flatter the rest.
    applicable = torch.nan_to_num(scores.double(), nan=-math.inf, posinf=math.inf, neginf=-math.inf)
    return Measured.of(metric.per_member(applicable[challenge.members], applicable[others]))


def _others(metric: MembershipMetric) -> str:
    few = f"{metric.fewest} or more " if metric.fewest > 1 else ""
    kinds = {
        "non_members": "examples that nobody trained on",
        "other_clients": "examples of other clients in the same round",
    }
    return few + kinds[metric.against]


def _of_properties(metric: PropertyMetric, guess: Float[Tensor, " properties"] | None, truth: Batch) -> Measured:
    if guess is None:
        return Measured(reason="the attack answers no questions about properties", fits=False)
    try:
        require_images(truth.space, f"'{metric.name}'")
    except NotApplicable as refusal:
        return Measured(reason=str(refusal), fits=False)
    answer = of_most(truth.inputs)
    unanswered = int((guess.isnan() & ~answer.isnan()).sum())
    reason = f"{unanswered} of {int((~answer.isnan()).sum())} questions had no answer" if unanswered else None
    values = metric.per_property(guess, answer).double().masked_fill(guess.isnan() | answer.isnan(), math.nan)
    return Measured(tuple(values.tolist()), reason)
