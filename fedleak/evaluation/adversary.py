"""What the adversary brings to a recording: public data, other messages, the question it is asked, dice of its own."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Generator

from fedleak import data
from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.evaluation.challenge import FEWEST, Challenge, Question, some_of, strangers_among
from fedleak.experiment.canonical import address_of
from fedleak.learning.batch import Batch
from fedleak.randomness import generator
from fedleak.recording import Recording, read_recording
from fedleak.results.row import AGGREGATE, Place, Who
from fedleak.settings import Table
from fedleak.vault import deposited, truth_of, withdraw

# What lies around a message in its federation: the other messages, and whose examples it could be mistaken for.


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """One federation under one defense, on disk."""

    recordings: Path
    """The folder that holds `round-0001`."""
    vault: Path | None
    """None where the truth was not kept, so nobody can be asked about it."""

    def others(self, of: Recording) -> tuple[Observation, ...]:
        """What the server had seen when a message came: those of its round and of earlier ones, without itself."""
        paths = (*self.recordings.glob("round-*/client-*.json"), *self.recordings.glob("round-*/aggregate.json"))
        own = self.recordings / of.stem
        others = (path for path in sorted(paths) if path.with_suffix("") != own and _round_of(path) <= of.round)
        return tuple(read_recording(path).observation() for path in others)

    def question(self, of: Recording) -> Question | None:
        """Whose examples are behind a message? None where nobody knows the answer."""
        if self.vault is None:
            return None
        dice = (of.seed, of.round, of.cohort)
        mine = truth_of(self.vault, of.round, of.cohort)
        return Question(
            members=mine,
            rivals=_rivals(self.vault, of, mine, dice),
            strangers=_strangers(self.vault, of.task.name, dice),
            dice=dice,
        )


def _round_of(path: Path) -> int:
    return int(path.parent.name.removeprefix("round-"))


def _rivals(vault: Path, of: Recording, mine: Batch, dice: tuple[object, ...]) -> Batch:
    """What the round's other clients trained on."""
    clients = tuple(client for round, client in deposited(vault) if round == of.round and client not in of.cohort)
    if not clients:
        return mine[torch.zeros(0, dtype=torch.int64)]
    return some_of(truth_of(vault, of.round, clients), generator("rivals", *dice))


def _strangers(vault: Path, task: str, dice: tuple[object, ...]) -> Batch:
    """Clients' examples that no recorded round used; where too few are left, the test set, which nobody trains on.

    The first are the fairer: a model that was trained before the recorded rounds has seen them as it has the members.
    """
    splits, rng = data.load(task), generator("strangers", *dice)
    used = (withdraw(vault, round, client).examples for round, client in deposited(vault))
    unused = strangers_among(splits.clients, used, rng)
    return unused if len(unused) >= FEWEST else some_of(splits.test, rng)


DRAWS = 8
"""Blind guesses that are averaged: one alone may be lucky."""


def prior_guess(observation: Observation, place: Place) -> Reconstruction:
    """What the adversary would guess without the update; every score is shown beside its score."""
    prior = attacks.build("prior", {})
    return guess(observation, {"use": prior.name, **prior.options()}, place)


def blind_guesses(observation: Observation, *words: object) -> list[Reconstruction]:
    """Public examples drawn at random, several times; the same words, such as seed, round and client, same draws."""
    blind = attacks.build("no-gradient", {})
    return [blind.run(observation, generator("no gradient", *words, draw)) for draw in range(DRAWS)]


def observe(
    recording: Recording, auxiliary: int, attack: Attack, around: Surroundings
) -> tuple[Observation, Challenge | None]:
    """What an attack is given: the message, the first `auxiliary` public examples of the task, what it requires.

    The answer to the question that it is asked, if it is asked one, is for scoring alone.
    """
    question = around.question(recording) if "candidates" in attack.requires else None
    challenge = None if question is None else question.challenge()
    others = around.others(recording) if "others" in attack.requires else ()
    observation = recording.observation().with_auxiliary(public_examples(recording.task.name, auxiliary))
    return shown(observation, attack, others, challenge), challenge


def shown(
    observation: Observation, attack: Attack, others: tuple[Observation, ...], challenge: Challenge | None
) -> Observation:
    """The observation with what the attack requires, and with nothing else."""
    return replace(
        observation,
        others=others if "others" in attack.requires else (),
        candidates=challenge.candidates if challenge is not None and "candidates" in attack.requires else None,
    )


def public_examples(task: str, count: int) -> Batch | None:
    """The first examples of a task's public split; None where the adversary holds none."""
    if not count:
        return None
    public = data.load(task).auxiliary
    return public[torch.arange(min(count, len(public)))]


def who_sent(recording: Recording) -> Who:
    """The client, or the aggregate."""
    return AGGREGATE if recording.kind == "aggregate" else recording.cohort[0]


def dice(place: Place, table: Table) -> Generator:
    """The attack's generator: from the attack and its options, the defense, the round and the client."""
    return generator(place.seed, "attack", address_of(table), place.defense, place.round, place.client)


def guess(observation: Observation, table: Table, place: Place) -> Reconstruction:
    """What the attack of a table makes of an observation."""
    return attacks.from_table(table).run(observation, dice(place, table))
