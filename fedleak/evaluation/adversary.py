"""Adversary's view of a message: public data, other messages, candidates; and its guesses, by seeds of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from fedleak.contracts.attack import Attack, attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.view import View
from fedleak.data.splits import load
from fedleak.errors import ConfigError, DataError
from fedleak.evaluation.challenge import Challenge
from fedleak.evaluation.message import Message
from fedleak.evaluation.scoring import NO_GUESS, NOT_GUESSED
from fedleak.experiment.canonical import placed
from fedleak.io.fingerprint import address_of
from fedleak.learning.batch import Batch, class_means
from fedleak.learning.source import Source
from fedleak.learning.task import Task
from fedleak.randomness import generator
from fedleak.results.row import Place
from fedleak.serving.served_model import ServedModel
from fedleak.settings.base import Table
from fedleak.settings.federation import AdversarySettings

DRAWS = 8
"""Guesses at random that are averaged: one alone may be lucky."""


def prior_guess(observation: View, place: Place) -> Reconstruction:
    """What the adversary would guess without the update; every score is shown beside its score."""
    prior = attacks.build("prior", {})
    return guess(observation, {"use": prior.name, **prior.options()}, place)


def baselines(observation: View, *seed_key: object) -> list[Reconstruction]:
    """Public examples drawn at random, several times; the same key, such as seed, round and client, same draws."""
    baseline = attacks.build("no-gradient", {})
    return [baseline.run(observation, generator("no gradient", *seed_key, draw)) for draw in range(DRAWS)]


def class_means_of(observation: View, made: Reconstruction, *seed_key: object) -> Reconstruction:
    """The mean public image of each label: of those that the attack guessed, else of those that a rule infers.

    Where none can be inferred it is the mean of all, so that every message of a run has such a guess.
    """
    public = observation.auxiliary
    if not isinstance(observation, Observation) or made.inputs is None or public is None or not len(public):
        return NOT_GUESSED
    if made.labels is not None and len(made.labels) == observation.examples():
        return Reconstruction(inputs=class_means(public, made.labels))
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


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On what terms an attack is let at something: what is public, what it is asked, how often it may ask."""

    adversary: AdversarySettings
    chain: Chain | None = None
    """All defenses of the row, those of answers too; None: those that the recording names."""
    seed_key: tuple[object, ...] = ()
    """What seeds the service that it may ask."""


def observe(message: Message, terms: Terms, attack: Attack[Any]) -> tuple[View, Challenge | None]:
    """What an attack is given: what it looks at, with public examples and what it requires, and with nothing else.

    The answer to the question who was there, if it is asked that, is for scoring alone.
    """
    recording, adversary = message.recording, terms.adversary
    if attack.sees not in recording.views:
        raise ConfigError(f"{attack.name} looks at {LOOKS_AT[attack.sees]}, and {message.path} has none")
    challenge = message.challenge if "candidates" in attack.requires else None
    common = {
        "auxiliary": public_examples(recording.source, adversary.auxiliary, adversary.lacks),
        "candidates": None if challenge is None else challenge.candidates,
        "classes": asked_about(recording.task, adversary) if "representatives" in attack.targets else (),
    }
    if attack.sees is Observation:
        others = message.others if "others" in attack.requires else ()
        return replace(recording.observation(), others=others, **common), challenge
    released = replace(recording.released(), **common)
    if attack.sees is Served:
        return _served(released, message, terms), challenge
    return replace(released, earlier=message.earlier if "earlier" in attack.requires else ()), challenge


LOOKS_AT: Mapping[type[View], str] = {
    Observation: "updates",
    Released: "the weights of a released model",
    Served: "the answers of a served model",
}


def _served(released: Released, message: Message, terms: Terms) -> Served:
    """The model behind a prediction API that nobody has asked yet."""
    chain = terms.chain or released.defense
    service = ServedModel(
        released.task,
        released.weights,
        queries=terms.adversary.queries or 0,
        chain=chain,
        days=terms.adversary.patience or 0.0,
        benign=usual_queries(message.recording.source),
        seed=terms.seed_key,
    )
    known = {name: getattr(released, name) for name in (field.name for field in fields(View))}
    return Served(**{**known, "defense": chain}, service=service)


def asked_about(task: Task, adversary: AdversarySettings) -> tuple[int, ...]:
    """The classes that the adversary is asked what they look like: those that it has no example of, else all."""
    return adversary.lacks or tuple(range(task.classes))


def usual_queries(source: Source) -> Float[Tensor, "benign *shape"]:
    """What an operator knows users to ask who mean no harm: every other example of the test set."""
    return load(source).test.inputs[::2]


def shown(
    observation: Observation, attack: Attack[Any], others: tuple[Observation, ...], challenge: Challenge | None
) -> Observation:
    """The observation with what the attack requires, and with nothing else."""
    return replace(
        observation,
        others=others if "others" in attack.requires else (),
        candidates=challenge.candidates if challenge is not None and "candidates" in attack.requires else None,
        classes=tuple(range(observation.task.classes)) if "representatives" in attack.targets else (),
    )


def public_examples(source: Source, count: int, lacks: tuple[int, ...] = ()) -> Batch | None:
    """The first examples of a task's public split, without those of classes that it lacks; None where there are none."""
    if not count:
        return None
    public = load(source).auxiliary
    if lacks:
        public = public[torch.nonzero(~torch.isin(public.labels, torch.tensor(lacks))).flatten()]
    return public[torch.arange(min(count, len(public)))]


def rng_of(place: Place, table: Table) -> Generator:
    """The attack's generator: from the attack and its options, the defense, the round and the client.

    Not from its device: on another one it starts from the same draws.
    """
    words = address_of(placed(table, {}, "cpu"))
    return generator(place.seed, "attack", words, place.defense, place.round, place.client)


def guess(observation: View, table: Table, place: Place) -> Reconstruction:
    """What the attack of a table makes of an observation."""
    return attacks.from_table(table).run(observation, rng_of(place, table))
