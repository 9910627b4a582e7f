"""Payload: what did tampered training code hide in the model?"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from fedleak.contracts.metric import Metric
from fedleak.contracts.reconstruction import Kind, Reconstruction
from fedleak.contracts.view import View
from fedleak.formatting import plural
from fedleak.goals.answer import Answer
from fedleak.goals.goal import Goal, of_no_known_kind, public_in
from fedleak.goals.judgement import Judgement
from fedleak.goals.matching import NO_GUESS, finite
from fedleak.goals.measured import Measured
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden


class BitsMetric(Metric):
    """Judges the bits of payloads. A sample is the payload of one client."""

    compares: ClassVar[Kind] = "payload"
    unit: ClassVar[str] = "share of bits"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    threshold: ClassVar[float] = 1.0
    margin: ClassVar[float] = 0.0

    @abstractmethod
    def true_bits(self, hidden: Hidden) -> Bool[Tensor, " bits"] | None:
        """The bits of a client that it judges; None where there are none such."""

    @abstractmethod
    def said_bits(self, guess: Reconstruction) -> Float[Tensor, "clients bits"] | None:
        """What was guessed of them."""


class HiddenExampleMetric(Metric):
    """Judges the examples in payloads. A sample is one that was hidden."""

    compares: ClassVar[Kind] = "payload"
    unread: ClassVar[float] = math.nan
    """What an example is worth that the attack gives nothing of."""

    def true_examples(self, hidden: Hidden) -> Float[Tensor, "hidden *shape"] | None:
        """What guesses are compared with; None where there is no such thing."""
        return hidden.inputs

    def inapplicable(self, truth: Batch) -> str | None:  # noqa: ARG002
        """Why the metric cannot judge such examples, None where it can."""
        return None

    @abstractmethod
    def per_example(self, guess: Batch, truth: Batch) -> list[float]:
        """One value for each pair of a finite guess and what is true."""


class Payload(Goal):
    """What training code from somebody else hid in the model. Metrics are `BitsMetric`s or `HiddenExampleMetric`s."""

    name: ClassVar[Kind] = "payload"
    noun: ClassVar[str] = "hidden {example}"
    verb: ClassVar[str] = "read back"
    guessing: ClassVar[str] = "reads what was hidden in the model"
    unguessed: ClassVar[str] = "the attack reads no payload"
    hit_or_miss: ClassVar[bool] = False
    blindly: ClassVar[str] = "what the same attack reads in a model of clean code"
    of_examples: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = (
        "payload-images",
        "payload-bits",
        "channel-bits",
        "payload-psnr",
        "payload-ssim",
        "payload-mae",
        "payload-correlation",
    )
    sentences: ClassVar[Mapping[Judgement, str]] = {
        Judgement.LEAKED: "Hidden {examples} were read back from the model under {names}.",
        Judgement.BEYOND: "Under {names} more of what was hidden was read back than an honest model says.",
        Judgement.UNCLEAR: "Under {names} luck may explain what was read back.",
        Judgement.TOO_FEW: "Under {names} there is too little to tell reading back from guessing.",
        Judgement.NOTHING: "Under {names} no more of what was hidden was read back than an honest model says; {tested}",
        Judgement.MISSING: "Under {names} no attack has a figure for what was hidden.",
    }

    def measure(self, metric: Metric, guess: Reconstruction, answer: Answer) -> Measured:
        if isinstance(metric, BitsMetric) and guess.failure is None and guess.payload is not None:
            return _bits(metric, metric.said_bits(guess), answer)
        return super().measure(metric, guess, answer)

    def figures(self, metric: Metric, guess: Tensor, answer: Answer) -> Measured:
        if isinstance(metric, BitsMetric):
            return _bits(metric, None, answer)
        if not isinstance(metric, HiddenExampleMetric):
            raise of_no_known_kind(metric)
        true = [metric.true_examples(hidden) for hidden in answer.payloads]
        known = [one for one in true if one is not None]
        if not known or len(known) < len(true):
            return Measured(reason="nothing was hidden that it can judge, or nobody knows what", fits=False)
        shape = tuple(known[0].shape[1:])
        if tuple(guess.shape[2:]) != shape:
            return Measured(
                reason=f"the attack reads examples of shape {tuple(guess.shape[2:])} where {shape} was hidden"
            )
        made = torch.cat([_of_client(guess, client, len(one)) for client, one in enumerate(known)])
        return _examples(metric, made, torch.cat(known), answer)

    def prior(self, view: View, rng: Generator) -> Tensor | None:  # noqa: ARG002
        """The mean public example in each place, without public data the middle of the range; half of the bits."""
        if not any(one.leaves == self.name for one in view.tampering):
            return None
        task, public = view.task, public_in(view)
        image = torch.full(task.shape, task.space.middle) if public is None else public.inputs.mean(0)
        return image[None, None]

    def no_access(self, view: View, rng: Generator) -> Tensor | None:  # noqa: ARG002
        """None: what the same attack reads in an honest model stands there, and whoever scores has one or not."""
        return None


def _of_client(
    guess: Float[Tensor, "clients places *shape"], client: int, places: int
) -> Float[Tensor, "hidden *shape"]:
    """What is guessed of one client, with NaN where nothing is; a single guess for all stands in each place."""
    if guess.shape[:2] == (1, 1):
        return guess[0].expand(places, *guess.shape[2:])
    own = guess[client, :places] if client < len(guess) else guess[:0].flatten(0, 1)
    return torch.cat([own, torch.full((places - len(own), *guess.shape[2:]), math.nan)])


def _examples(metric: HiddenExampleMetric, made: Tensor, true: Tensor, answer: Answer) -> Measured:
    space = answer.truth.space
    truth = Batch(true, torch.full((len(true),), NO_GUESS), space)
    unfit = metric.inapplicable(truth)
    if unfit is not None:
        return Measured(reason=unfit, fits=False)
    read = torch.nonzero(finite(made)).flatten()
    values = torch.full((len(true),), metric.unread, dtype=torch.float64)
    if len(read):
        pairs = Batch(made[read], truth.labels[read], space), truth[read]
        values[read] = torch.tensor(metric.per_example(*pairs), dtype=torch.float64)
    missing = len(true) - len(read)
    reason = f"{missing} of {len(true)} hidden {plural(space.noun)} were not read" if missing else None
    return Measured(tuple(values.tolist()), reason)


def _bits(metric: BitsMetric, said: Float[Tensor, "clients bits"] | None, answer: Answer) -> Measured:
    true = [metric.true_bits(hidden) for hidden in answer.payloads]
    known = [one for one in true if one is not None]
    if not known or len(known) < len(true):
        return Measured(reason="no bits were hidden, or nobody knows which", fits=False)
    return Measured(tuple(_right(said, client, one) for client, one in enumerate(known)))


def _right(said: Float[Tensor, "clients bits"] | None, client: int, true: Bool[Tensor, " true"]) -> float:
    """The share of right bits; one of which nothing is said is right in half of all cases."""
    own = torch.zeros(0) if said is None or client >= len(said) else said[client, : len(true)]
    heard = ~own.isnan()
    right = int(((own > 0.5) == true[: len(own)])[heard].sum())
    return (right + (len(true) - int(heard.sum())) / 2) / max(len(true), 1)
