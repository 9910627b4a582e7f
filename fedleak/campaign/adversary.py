"""What the adversary brings to a recording: public data, other messages, the question it is asked, dice of its own."""

from dataclasses import replace

import torch
from torch import Generator

from fedleak import data
from fedleak.attack import Attack, attacks
from fedleak.batch import Batch
from fedleak.campaign.address import address_of
from fedleak.campaign.surroundings import Surroundings
from fedleak.challenge import Challenge
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


def observe(
    recording: Recording, auxiliary: int, attack: Attack, around: Surroundings
) -> tuple[Observation, Challenge | None]:
    """What an attack is given: the message, the first `auxiliary` public examples of the task, and what it wants.

    The answer to the question that it is asked, if it is asked one, is for scoring alone.
    """
    question = around.question(recording) if "candidates" in attack.wants else None
    challenge = None if question is None else question.challenge()
    others = around.others(recording) if "others" in attack.wants else ()
    observation = recording.observation().with_auxiliary(public_examples(recording.task.name, auxiliary))
    return shown(observation, attack, others, challenge), challenge


def shown(
    observation: Observation, attack: Attack, others: tuple[Observation, ...], challenge: Challenge | None
) -> Observation:
    """The observation with what the attack wants, and with nothing else."""
    return replace(
        observation,
        others=others if "others" in attack.wants else (),
        candidates=challenge.candidates if challenge is not None and "candidates" in attack.wants else None,
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
    return attacks.from_table(table).reconstruct(observation, dice(place, table))
