"""Views: what an attack is let at. A recording with public data, what it is asked and requires, and nothing else."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.attack import Attack
from fedleak.contracts.chain import Chain
from fedleak.contracts.cut import Cut, cut_attack_in, require_seat
from fedleak.contracts.observation import Observation
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.shadows import ShadowBank
from fedleak.contracts.view import View
from fedleak.data.public import public_examples
from fedleak.data.splits import load
from fedleak.errors import ConfigError
from fedleak.evaluation.challenge import Challenge
from fedleak.evaluation.cuts import CutMessage, cut_of, message_at
from fedleak.evaluation.kept_shadows import KeptShadows
from fedleak.evaluation.message import Message
from fedleak.evaluation.released import as_released
from fedleak.learning.batch import Batch
from fedleak.learning.poisson import expected_examples
from fedleak.learning.source import Source
from fedleak.learning.space import require_table
from fedleak.learning.task import Task
from fedleak.serving.served_model import ServedModel, explanations_of
from fedleak.settings.adversary import AdversarySettings

MOST_WINDOWS = 500
"""Of a text that an operator knows to be asked, and users ask, at most."""
AnyView = TypeVar("AnyView", bound=View)


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
    message, cutting = message_at(message), cut_attack_in(attack)
    if isinstance(message, CutMessage):
        if cutting is None:
            raise ConfigError(f"{attack.name} looks at {LOOKS_AT[attack.sees]}, and {message.path} is a diary")
        require_seat(cutting, message.seat)
        public = public_examples(message.source, terms.adversary.auxiliary, terms.adversary.lacks)
        return cut_of(message, cutting.asks, terms.adversary, public, terms.chain)
    recording, adversary = message.recording, terms.adversary
    if attack.sees not in recording.views:
        raise ConfigError(f"{attack.name} looks at {LOOKS_AT[attack.sees]}, and {message.path} has none")
    hidden = adversary.hidden if "columns" in attack.targets else ()
    challenge = message.challenge if "candidates" in attack.requires or hidden else None
    public = public_examples(recording.source, adversary.auxiliary, adversary.lacks)
    classes = asked_about(recording.task, adversary) if "representatives" in attack.targets else ()
    asked = None if challenge is None else challenge.candidates
    canary = message.canary if "secrets" in attack.targets else None
    secret = None if canary is None else canary.asked(adversary.masked)
    # Never both: candidates are whole.
    about: dict[str, Any] = {"candidates": asked}
    if hidden:
        about = {"rows": asked and without(asked, hidden), "hidden": hidden}
    if "properties" in attack.targets and attack.sees is not Observation:
        about |= {"property": adversary.property, "shares": adversary.shares}

    def informed(view: AnyView) -> AnyView:
        return replace(view, auxiliary=public, classes=classes, secret=secret, **about)

    if attack.sees is Observation:
        others = message.others if "others" in attack.requires else ()
        return informed(replace(recording.observation(), others=others)), challenge
    bank = ShadowBank() if message.shadows is None else KeptShadows(message.shadows)
    left = partial(as_released, source=recording.source, chain=terms.chain, seed=recording.seed)
    earlier = tuple(map(left, message.earlier)) if "earlier" in attack.requires else ()
    released = replace(
        left(recording.released()),
        shadows=bank,
        num_examples=_examples_behind(message),
        earlier=earlier,
        new_examples=_examples_since(message, earlier[-1].round) if attack.compares_versions and earlier else None,
    )
    if attack.sees is Released:
        return informed(released), challenge
    served = informed(_served(released, message, terms, precise="predictions" in attack.requires))
    if asked is not None and "explanations" in attack.requires and adversary.explanations:
        served = _with_reports(served, released, asked)
    if asked is not None and "predictions" in attack.requires:
        served = replace(served, predictions=served.service.ask(asked.inputs))
    return replace(served, weights=released.weights if "weights" in attack.requires else None), challenge


def without(rows: Batch, hidden: tuple[str, ...]) -> Batch:
    """Rows of a table with NaN for the values of some columns; raises `ConfigError` where it has none such."""
    mask = require_table(rows.space, "hidden columns", ConfigError).mask(hidden)
    return replace(rows, inputs=rows.inputs.masked_fill(mask, math.nan))


def _examples_behind(message: Message) -> int | None:
    """How many there are: no secret, as the clients report it in clear and who offers a model boasts of it."""
    return None if message.vault is None else _told(message, len(message.truth), message.round)


def _examples_since(message: Message, before: int) -> int | None:
    """How many were trained on since the release before: clients report that as well."""
    return None if message.vault is None else _told(message, len(message.news), message.round - before)


def _told(message: Message, drawn: int, rounds: int) -> int:
    """Of Poisson samples, the number of which is a secret, how many are expected in so many rounds."""
    training = message.recording.training
    if not training.sampling_rate or training.epochs is None:
        return drawn
    return expected_examples(replace(training, epochs=training.epochs * rounds)) * len(message.cohort)


LOOKS_AT: Mapping[type[View], str] = {
    Observation: "updates",
    Released: "the weights of a released model",
    Served: "the answers of a served model",
    Cut: "what crosses a cut network",
}


def _served(released: Released, message: Message, terms: Terms, *, precise: bool = False) -> Served:
    """The model behind a prediction API that nobody has asked yet; in double precision where that is asked for."""
    chain = terms.chain or released.defense
    service = ServedModel(
        released.task,
        released.weights,
        queries=terms.adversary.queries or 0,
        chain=chain,
        days=terms.adversary.patience or 0.0,
        benign=usual_queries(message.recording.source),
        seed=terms.seed_key,
        background=mean_row(message.recording.source) if terms.adversary.explanations else None,
        dtype=torch.float64 if precise else torch.float32,
    )
    latest = Served(
        task=released.task,
        training=released.training,
        num_examples=released.num_examples,
        shadows=released.shadows,
        cohort=released.cohort,
        round=released.round,
        defense=chain,
        tampering=released.tampering,
        service=service,
        new_examples=released.new_examples,
    )
    before = [
        replace(latest, service=service.version(one.weights), round=one.round, new_examples=None, num_examples=None)
        for one in released.earlier
    ]
    return replace(latest, earlier=tuple(before))


def _with_reports(view: Served, released: Released, rows: Batch) -> Served:
    """With the explanations of whole rows, which their people were given: no question of the adversary's."""
    background = mean_row(released.task.source) if released.task.source else rows.inputs.mean(0)
    found = explanations_of(released.task, released.weights, rows.inputs, background)
    return replace(view, explanations=found.float())


def mean_row(source: Source) -> Float[Tensor, " values"]:
    """The mean of a table's public rows: the background of explanations, which whoever offers them tells."""
    return load(source).auxiliary.inputs.mean(0)


def asked_about(task: Task, adversary: AdversarySettings) -> tuple[int, ...]:
    """The classes that the adversary is asked what they look like: those that it has no example of, else all."""
    return adversary.lacks or tuple(range(task.classes))


def usual_queries(source: Source) -> Float[Tensor, "benign *shape"]:
    """What an operator knows users to ask who mean no harm: every other example of the test set.

    Of texts at most `MOST_WINDOWS`, which are of most of it already as they overlap.
    """
    return _some(load(source).test, 0)


def other_usual_queries(source: Source) -> Float[Tensor, "benign *shape"]:
    """The rest of the test set: what such users ask whom no detector has learnt from."""
    return _some(load(source).test, 1)


def _some(test: Batch, first: int) -> Float[Tensor, "some *shape"]:
    every_other = test.inputs[first::2]
    return every_other[:MOST_WINDOWS] if test.space.consecutive else every_other


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
