"""Adversary's view of a message: public data, other messages, candidates; and its guesses, by seeds of its own."""

from dataclasses import replace

import torch
from torch import Generator

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.data.splits import load
from fedleak.errors import ConfigError, DataError
from fedleak.evaluation.challenge import Challenge
from fedleak.evaluation.message import Message
from fedleak.evaluation.scoring import NO_GUESS, NOT_GUESSED
from fedleak.experiment.canonical import placed
from fedleak.io.fingerprint import address_of
from fedleak.learning.batch import Batch, class_means
from fedleak.learning.source import Source
from fedleak.randomness import generator
from fedleak.results.row import Place
from fedleak.settings.base import Table

DRAWS = 8
"""Guesses at random that are averaged: one alone may be lucky."""


def prior_guess(observation: Observation, place: Place) -> Reconstruction:
    """What the adversary would guess without the update; every score is shown beside its score."""
    prior = attacks.build("prior", {})
    return guess(observation, {"use": prior.name, **prior.options()}, place)


def baselines(observation: Observation, *seed_key: object) -> list[Reconstruction]:
    """Public examples drawn at random, several times; the same key, such as seed, round and client, same draws."""
    baseline = attacks.build("no-gradient", {})
    return [baseline.run(observation, generator("no gradient", *seed_key, draw)) for draw in range(DRAWS)]


def class_means_of(observation: Observation, made: Reconstruction, *seed_key: object) -> Reconstruction:
    """The mean public image of each label: of those that the attack guessed, else of those that a rule infers.

    Where none can be inferred it is the mean of all, so that every message of a run has such a guess.
    """
    public = observation.auxiliary
    if made.inputs is None or public is None or not len(public):
        return NOT_GUESSED
    if made.labels is not None and len(made.labels) == observation.examples():
        return Reconstruction(inputs=class_means(public, made.labels))
    inferred = attacks.build("class-mean", {}).run(observation, generator("class mean", *seed_key))
    unknown = torch.full((observation.examples(),), NO_GUESS)
    return Reconstruction(inputs=class_means(public, unknown)) if inferred.failure else inferred


def public_and_unseen(observation: Observation) -> tuple[Batch | None, Batch | None]:
    """All public examples of a task and its test set; of a task that is not at hand, what the adversary holds."""
    if observation.task.source is None:
        return observation.auxiliary, None
    try:
        splits = load(observation.task.source)
    except (ConfigError, DataError):
        return observation.auxiliary, None
    return splits.auxiliary, splits.test


def observe(message: Message, auxiliary: int, attack: Attack) -> tuple[Observation, Challenge | None]:
    """What an attack is given: the message, the first `auxiliary` public examples of the task, and what it requires.

    The answer to the question that it is asked, if it is asked one, is for scoring alone.
    """
    challenge = message.challenge if "candidates" in attack.requires else None
    others = message.others if "others" in attack.requires else ()
    public = public_examples(message.recording.source, auxiliary)
    return shown(message.recording.observation().with_auxiliary(public), attack, others, challenge), challenge


def shown(
    observation: Observation, attack: Attack, others: tuple[Observation, ...], challenge: Challenge | None
) -> Observation:
    """The observation with what the attack requires, and with nothing else."""
    return replace(
        observation,
        others=others if "others" in attack.requires else (),
        candidates=challenge.candidates if challenge is not None and "candidates" in attack.requires else None,
    )


def public_examples(source: Source, count: int) -> Batch | None:
    """The first examples of a task's public split; None where the adversary holds none."""
    if not count:
        return None
    public = load(source).auxiliary
    return public[torch.arange(min(count, len(public)))]


def rng_of(place: Place, table: Table) -> Generator:
    """The attack's generator: from the attack and its options, the defense, the round and the client.

    Not from its device: on another one it starts from the same draws.
    """
    words = address_of(placed(table, {}, "cpu"))
    return generator(place.seed, "attack", words, place.defense, place.round, place.client)


def guess(observation: Observation, table: Table, place: Place) -> Reconstruction:
    """What the attack of a table makes of an observation."""
    return attacks.from_table(table).run(observation, rng_of(place, table))
