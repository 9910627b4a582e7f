"""Adversary's view of a message: public data, other messages, candidates; and its guesses, by seeds of its own."""

import torch
from torch import Generator

from fedleak.contracts.attack import attacks
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.view import View
from fedleak.data.splits import load
from fedleak.errors import ConfigError, DataError
from fedleak.evaluation.scoring import NO_GUESS, NOT_GUESSED
from fedleak.experiment.canonical import placed
from fedleak.goals.goal import examples_in, public_in
from fedleak.io.fingerprint import address_of
from fedleak.learning.batch import Batch, class_means
from fedleak.randomness import generator
from fedleak.results.row import Place
from fedleak.settings.base import Table

DRAWS = 8
"""Guesses at random that are averaged: one alone may be lucky."""


def prior_guess(observation: View, place: Place) -> Reconstruction:
    """What the adversary would guess without the update; every score is shown beside its score."""
    prior = attacks.build("prior", {})
    return guess(observation, {"use": prior.name, **prior.options()}, place)


def baselines(observation: View, *seed_key: object) -> list[Reconstruction]:
    """Public examples drawn at random, several times; the same key, such as seed, round and client, same draws.

    The seed says what they were once called, so that figures of before repeat to the last bit.
    """
    baseline = attacks.build("no-access", {})
    return [baseline.run(observation, generator("no gradient", *seed_key, draw)) for draw in range(DRAWS)]


def class_means_of(observation: View, made: Reconstruction, *seed_key: object) -> Reconstruction:
    """The mean public image of each label: of those that the attack guessed, else of those that a rule infers.

    Where none can be inferred it is the mean of all, so that every message of a run has such a guess.
    """
    public, examples = public_in(observation), examples_in(observation)
    if examples is None or made.inputs is None or public is None:
        return NOT_GUESSED
    if made.labels is not None and len(made.labels) == examples:
        return Reconstruction(inputs=class_means(public, made.labels))
    if not isinstance(observation, Observation):
        return NOT_GUESSED
    inferred = attacks.build("class-mean", {}).run(observation, generator("class mean", *seed_key))
    unknown = torch.full((observation.examples(),), NO_GUESS)
    return Reconstruction(inputs=class_means(public, unknown)) if inferred.failure else inferred


def public_and_unseen(observation: View) -> tuple[Batch | None, Batch | None]:
    """All public examples of a task and its test set; of a task that is not at hand, what the adversary holds."""
    if observation.task.source is None:
        return observation.auxiliary, None
    try:
        splits = load(observation.task.source)
    except (ConfigError, DataError):
        return observation.auxiliary, None
    return splits.auxiliary, splits.test


def rng_of(place: Place, table: Table) -> Generator:
    """The attack's generator: from the attack and its options, the defense, the round and the client.

    Not from its device: on another one it starts from the same draws.
    """
    words = address_of(placed(table, {}, "cpu"))
    return generator(place.seed, "attack", words, place.defense, place.round, place.client)


def guess(observation: View, table: Table, place: Place) -> Reconstruction:
    """What the attack of a table makes of an observation."""
    return attacks.from_table(table).run(observation, rng_of(place, table))
