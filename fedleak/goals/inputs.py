"""Inputs: the examples behind an update are rebuilt."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from fedleak.contracts.metric import ExampleMetric, Metric
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.view import View
from fedleak.formatting import plural
from fedleak.goals.answer import Answer
from fedleak.goals.goal import Goal, examples_in, of_no_known_kind, public_in
from fedleak.goals.judgement import Judgement
from fedleak.goals.matching import NO_GUESS, finite, matched
from fedleak.goals.measured import Measured
from fedleak.learning.batch import Batch


class Inputs(Goal):
    """The examples behind an update. A sample is one of them; metrics on it are `ExampleMetric`s."""

    name: ClassVar[Kind] = "inputs"
    noun: ClassVar[str] = "{example}"
    verb: ClassVar[str] = "rebuilt"
    guessing: ClassVar[str] = "guesses examples"
    unguessed: ClassVar[str] = "the attack guesses no examples"
    hit_or_miss: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ("mse", "psnr", "ssim")
    sentences: ClassVar[Mapping[Judgement, str]] = {
        Judgement.LEAKED: "{examples} were rebuilt under {names}.",
        Judgement.BEYOND: "Under {names} no {example} was rebuilt, but more than guessing was recovered.",
        Judgement.UNCLEAR: "Under {names} no {example} was rebuilt, and what was recovered luck may explain.",
        Judgement.TOO_FEW: "Under {names} no {example} was rebuilt, and there are too few messages to tell more.",
        Judgement.NOTHING: (
            "Under {names} these attackers rebuilt no {example} and on average came no nearer than guessing does; "
            "{tested}"
        ),
        Judgement.MISSING: "Under {names} no attack has a figure for the {examples}.",
    }

    def aligned(self, made: Reconstruction, answer: Answer) -> Reconstruction:
        """The guesses in the order of the truth; where there is none the guess's fallback, or NaN where it has none."""
        if made.failure is not None or made.inputs is None:
            return made
        if len(made.inputs) > len(answer.truth):
            return replace(made, failure=too_many(len(made.inputs), plural(answer.truth.space.noun), answer))
        ordered = matched(made.inputs, answer.truth)
        if made.fallback is not None:
            ordered[~finite(ordered)] = made.fallback.to(ordered.dtype)
        return replace(made, inputs=ordered)

    def unfit(self, metric: Metric, answer: Answer) -> str | None:
        return example_metric(metric).inapplicable(answer.truth)

    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        truth = answer.truth
        applicable = torch.nonzero(finite(guess)).flatten()
        missing = len(truth) - len(applicable)
        if not len(applicable):
            return Measured(reason=f"the attack guessed no {truth.space.noun} that is finite")
        batch = Batch(guess[applicable], torch.full((len(applicable),), NO_GUESS), truth.space)
        values = torch.full((len(truth),), math.nan, dtype=torch.float64)
        judged = example_metric(metric).per_sample(batch, truth[applicable])
        values[applicable] = torch.tensor(judged, dtype=torch.float64)
        reason = f"{missing} of {len(truth)} samples had no usable guess" if missing else None
        return Measured(tuple(values.tolist()), reason)

    def prior(self, view: View, rng: Generator) -> Tensor | None:  # noqa: ARG002
        """The mean public example for each; without public data the middle of the range, mid-gray; none of texts."""
        task, examples, public = view.task, examples_in(view), public_in(view)
        if examples is None or not task.space.continuous:
            return None
        image = torch.full(task.shape, task.space.middle) if public is None else public.inputs.mean(0)
        return image.expand(examples, *task.shape).clone()

    def no_access(self, view: View, rng: Generator) -> Tensor | None:
        """Public examples drawn at random, independently: those whose labels an equally seeded draw of labels gives."""
        drawn = drawn_public(view, rng)
        return None if drawn is None or not view.task.space.continuous else drawn.inputs


def drawn_public(view: View, rng: Generator) -> Batch | None:
    """A public example at random for each to guess; None where there is none to guess, or none to guess from."""
    examples, public = examples_in(view), public_in(view)
    if examples is None or public is None:
        return None
    return public[torch.randint(len(public), (examples,), generator=rng)]


def example_metric(metric: Metric) -> ExampleMetric:
    """The metric, where it keeps the contract of metrics on examples."""
    if not isinstance(metric, ExampleMetric):
        raise of_no_known_kind(metric)
    return metric


def too_many(guesses: int, what: str, answer: Answer) -> str:
    """Why a guess of more than there is cannot be scored: the best of a thousand guesses says nothing."""
    return f"the attack guesses {guesses} {what} for {len(answer.truth)} examples; expected one for each at most"
