"""Membership challenge: which of these records are behind a message, or a model? The candidates, and the answer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.goals.answer import Challenge
from fedleak.learning.batch import Batch, joined
from fedleak.randomness import generator

__all__ = [
    "FEWEST",
    "MOST",
    "Challenge",
    "Question",
    "non_members_among",
    "planted_question",
    "question_among",
    "some_of",
]

MOST = 500
"""Non-members, examples of other clients, and members of a model that are asked about at most."""

FEWEST = 100
"""Non-members that there should be: with fewer a false positive rate of 1% means nothing."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the challenge of one message is made of. The same for every attack and every defense."""

    members: Batch
    other_clients: Batch
    non_members: Batch
    seed_key: tuple[object, ...]
    """What seeds the order: an attack has no generator that they could be given to."""

    def challenge(self) -> Challenge:
        """All three kinds, shuffled; the same at each call."""
        parts = (self.members, self.other_clients, self.non_members)
        everything = joined(parts)
        order = torch.randperm(len(everything), generator=generator("challenge", *self.seed_key))
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order))
        members, other_clients, non_members = torch.split(places, [len(part) for part in parts])
        return Challenge(
            candidates=everything[order], members=members, other_clients=other_clients, non_members=non_members
        )

    def about(self, own: Batch, others: Batch) -> "Question":
        """The same where only some of the members are meant: those of others are examples of other clients."""
        mine, keys = set(_keys(own.inputs)), list(_keys(self.members.inputs))
        theirs = set(_keys(others.inputs)) - mine
        places = ([place for place, key in enumerate(keys) if key in kind] for kind in (mine, theirs))
        members, rivals = (self.members[torch.tensor(kind, dtype=torch.int64)] for kind in places)
        return replace(self, members=members, other_clients=joined([rivals, self.other_clients]))


def question_among(truth: Batch, strangers: Batch, seed: int) -> Question:
    """The question whether some examples are the truth of a single client's update, or strangers'."""
    nobody = truth[torch.zeros(0, dtype=torch.int64)]
    asked = some_of(strangers, generator(seed, "strangers"))
    return Question(members=truth, other_clients=nobody, non_members=asked, seed_key=(seed, "observe"))


def some_of(batch: Batch, rng: Generator) -> Batch:
    """All examples, or `MOST` of them drawn at random where there are more."""
    return batch[torch.randperm(len(batch), generator=rng)[:MOST]]


def non_members_among(pool: Batch, used: Iterable[Batch], rng: Generator) -> Batch:
    """`MOST` examples of `pool`, drawn at random, or all there are, whose images are not among the used ones."""
    taken = {key for batch in used for key in _keys(batch.inputs)}
    chosen: list[int] = []
    order = torch.randperm(len(pool), generator=rng)
    for place, key in zip(order.tolist(), _keys(pool.inputs[order]), strict=True):
        if len(chosen) == MOST:
            break
        if key not in taken:
            chosen.append(place)
    return pool[torch.tensor(chosen, dtype=torch.int64)]


def planted_question(
    planted: Batch, truth: Batch, other_clients: Batch, used: Iterable[Batch], seed_key: tuple[object, ...]
) -> Question:
    """The question about records that coins gave to clients, or to nobody.

    Left out are those that were trained on in other rounds alone: they are neither behind it nor strangers.
    """
    taken = {key for batch in used for key in _keys(batch.inputs)}
    own, others = set(_keys(truth.inputs)), set(_keys(other_clients.inputs))
    kinds: tuple[list[int], list[int], list[int]] = ([], [], [])
    for place, key in enumerate(_keys(planted.inputs)):
        if key in own:
            kinds[0].append(place)
        elif key in others:
            kinds[1].append(place)
        elif key not in taken:
            kinds[2].append(place)
    members, rivals, strangers = (planted[torch.tensor(places, dtype=torch.int64)] for places in kinds)
    return Question(members=members, other_clients=rivals, non_members=strangers, seed_key=seed_key)


def _keys(examples: Float[Tensor, "batch *shape"]) -> Iterator[bytes]:
    return (example.numpy().tobytes() for example in examples)
