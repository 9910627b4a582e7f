"""What the adversary brings to a recording: public data, and dice of its own."""

import torch
from torch import Generator

from fedleak import data
from fedleak.attack import attacks
from fedleak.campaign.address import address_of
from fedleak.observation import Observation
from fedleak.randomness import generator
from fedleak.reconstruction import Reconstruction
from fedleak.recording import Recording
from fedleak.results import AGGREGATE, Place, Who
from fedleak.settings import Table

DRAWS = 8
"""Blind guesses that are averaged: one alone may be lucky."""


def prior_guess(observation: Observation, place: Place) -> Reconstruction:
    """What the adversary would guess without the update; every score is shown beside its score."""
    prior = attacks.build("prior", {})
    return guess(observation, {"use": prior.name, **prior.options()}, place)


def blind_guesses(observation: Observation, *words: object) -> list[Reconstruction]:
    """Public examples drawn at random, several times; the same words, such as seed, round and client, same draws."""
    blind = attacks.build("no-gradient", {})
    return [blind.reconstruct(observation, generator("no gradient", *words, draw)) for draw in range(DRAWS)]


def observe(recording: Recording, auxiliary: int) -> Observation:
    """What an attack is given: the message, and the first `auxiliary` public examples of the task."""
    public = data.load(recording.task.name).auxiliary if auxiliary else None
    if public is not None:
        public = public[torch.arange(min(auxiliary, len(public)))]
    return recording.observation().with_auxiliary(public)


def who_sent(recording: Recording) -> Who:
    """The client, or the aggregate."""
    return AGGREGATE if recording.kind == "aggregate" else recording.cohort[0]


def dice(place: Place, table: Table) -> Generator:
    """The attack's generator: from the attack and its options, the defense, the round and the client."""
    return generator(place.seed, "attack", address_of(table), place.defense, place.round, place.client)


def guess(observation: Observation, table: Table, place: Place) -> Reconstruction:
    """What the attack of a table makes of an observation."""
    return attacks.from_table(table).reconstruct(observation, dice(place, table))
