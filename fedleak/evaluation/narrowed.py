"""Narrowed: a message of which an attack guesses at some examples alone, as those of one client or of one class."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.subject import Subject
from fedleak.contracts.view import View
from fedleak.errors import RecordingError
from fedleak.evaluation.message import Message
from fedleak.learning.batch import Batch, joined

NOBODY = "no example is behind it: none was in a Poisson sample of the round, so there is nothing to guess at"


@dataclass(frozen=True, kw_only=True)
class Narrowed(Message):
    """The same message, the truth of which is what an attack says that it guesses at.

    Who else was there, and who was not, is asked as of a message of these examples alone. Where none is of the class
    that was named, the truth is all there is: the attack failed, and its figures are those of what it did not find.
    """

    subject: Subject

    @property
    def cohort(self) -> tuple[int, ...]:
        return super().cohort if self.subject.client is None else (self.subject.client,)

    @cached_property
    def truth(self) -> Batch:
        return joined(deposit.examples for deposit in self.deposits)[self._chosen]

    @cached_property
    def seen(self) -> Batch:
        chain = self.recording.observation().defense.local
        masks = torch.cat([chain.seen(one.examples, one.seed_key) for one in self.deposits])[self._chosen]
        return replace(self.truth, inputs=self.truth.inputs.masked_fill(~masks, math.nan))

    @cached_property
    def _chosen(self) -> Int[Tensor, " chosen"]:
        """Which of the examples of its clients it is about."""
        return chosen(self.subject, torch.cat([deposit.examples.labels for deposit in self.deposits]))


def owners_in(message: Message) -> Int[Tensor, " batch"]:
    """The client that each example of its truth is of."""
    pairs = zip(message.cohort, message.deposits, strict=True)
    return torch.cat([torch.full((len(one.examples),), client) for client, one in pairs])


def chosen(
    subject: Subject, labels: Int[Tensor, "batch *classes"], whose: Int[Tensor, " batch"] | None = None
) -> Int[Tensor, " chosen"]:
    """Which examples it is about, of those of the clients `whose` they are; None: they are the subject's client's.

    Where none is of the class, all of them.
    """
    every = torch.arange(len(labels))
    if whose is not None and subject.client is not None:
        every = every[whose == subject.client]
    if subject.label is None or labels.dim() > 1:
        return every
    own = every[labels[every] == subject.label]
    return own if len(own) else every


def narrowed(message: Message, subject: Subject | None) -> Message:
    """The message as one of some examples alone; the same where it is about all."""
    if subject is None:
        return message
    return Narrowed(
        path=message.path,
        recordings=message.recordings,
        vault=message.vault,
        client=message.client,
        shadows=message.shadows,
        subject=subject,
    )


def as_many(view: View, message: Message) -> View:
    """What is seen by who guesses as many examples as the message is about: blind guesses stand beside as many."""
    if isinstance(view, Observation) and (isinstance(message, Narrowed) or is_sampled(view)):
        return replace(view, num_examples=len(message.truth))
    if isinstance(view, Released | Served) and view.new_examples is not None and is_sampled(view):
        return replace(view, new_examples=len(message.news))
    return view


def is_sampled(view: View) -> bool:
    """Whether clients draw Poisson samples, so that nobody else knows how many examples there are."""
    return isinstance(view, Observation | Released | Served) and view.training.sampling_rate > 0


def require_somebody(truth: Batch) -> Batch:
    """The truth; raises `RecordingError` where it is nobody."""
    if not len(truth):
        raise RecordingError(NOBODY)
    return truth


def within(guess: Reconstruction, message: Message, view: View) -> Reconstruction:
    """The guess with no more examples than the message is about: see `no_more`."""
    if is_sampled(view):
        return no_more(guess, len(message.news))
    if isinstance(message, Narrowed) and not message.subject.counted:
        return no_more(guess, len(message.truth))
    return guess


def no_more(guess: Reconstruction, count: int) -> Reconstruction:
    """The guess with no more examples than there are, where an attack could not know how many these are.

    Of more as many, spread evenly over them: no attack gains by guessing often, and a list by class loses none.
    """
    if guess.failure is not None:
        return guess
    return replace(
        guess,
        inputs=_spread(guess.inputs, count),
        labels=_spread(guess.labels, count),
        certified=_spread(guess.certified, count),
        snapshots=tuple(replace(one, inputs=one.inputs[_places(len(one.inputs), count)]) for one in guess.snapshots),
    )


def _spread(values: Tensor | None, count: int) -> Tensor | None:
    return None if values is None else values[_places(len(values), count)]


def _places(guesses: int, count: int) -> Int[Tensor, " kept"]:
    return torch.arange(guesses) if guesses <= count else torch.arange(count) * guesses // count
