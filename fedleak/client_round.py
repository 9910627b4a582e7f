"""A client's round, pure: from the weights that it is sent to those that it sends, through its defenses."""

from dataclasses import dataclass, field

import torch
from torch import Generator

from fedleak.contracts.chain import of_the_gradient, withheld_from
from fedleak.contracts.defense import Defense
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, Step, StepGradient, train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import generator

OWN = "own"
"""Where a client keeps the parameters and buffers that it shares with nobody."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What leaves a client, and what it keeps."""

    weights: Weights
    kept: NamedTensors = field(default_factory=dict)
    """By "own/NAME" and, for the defense at that place in the chain, "PLACE/NAME"; for its next round."""


def client_round(
    task: Task,
    before: Weights,
    examples: Batch,
    training: LocalTraining,
    chain: tuple[Defense, ...],
    dice: tuple[object, ...],
    kept: NamedTensors | None = None,
) -> Sent:
    """Trains from `before` and applies the defenses; undefended buffers leave as training made them.

    `task` is the hardened one, see `public_task`. `dice` seeds batch order, dropout and the defenses; the same
    arguments give the same bits. `kept` is what the client's last round left. Masking is not part of it: see
    `defenses.secure_aggregation`. Raises `NonFiniteError`.
    """
    kept, acting = kept or {}, tuple(defense for defense in chain if defense.protocol is None)
    own = withheld_from(task, acting)
    start = with_own(before, own, kept)
    for place, defense in enumerate(acting):
        examples = defense.examples(task, examples, generator(*dice, "examples", place))
    after = train_locally(task, start, examples, training, dice, gradient=_gradient(acting, dice))
    # before + (after - before) is not after to the last bit, so an undefended reply is left alone.
    if not acting:
        return Sent(weights=after)
    delta = {name: after.parameters[name] - value for name, value in start.parameters.items()}
    shared = {name: torch.zeros_like(value) if name in own else value for name, value in delta.items()}
    sent, remembered = _protected(Update(shared, UpdateKind.DELTA), acting, kept, generator(*dice, "defense"))
    shown = {name: value if name in own else value + sent.tensors[name] for name, value in before.parameters.items()}
    buffers = {name: before.buffers[name] if name in own else value for name, value in after.buffers.items()}
    private = {f"{OWN}/{name}": value for name, value in after.state_dict().items() if name in own}
    return Sent(weights=Weights(shown, buffers), kept={**private, **remembered})


def with_own(before: Weights, own: frozenset[str], kept: NamedTensors) -> Weights:
    """What a client trains from: the weights it is sent, but for those that it has of its own."""
    state = before.state_dict()
    return before.like({name: kept.get(f"{OWN}/{name}", state[name]) if name in own else state[name] for name in state})


def _gradient(chain: tuple[Defense, ...], dice: tuple[object, ...]) -> StepGradient:
    defense, rng = of_the_gradient(chain), generator(*dice, "gradient")
    return Step.gradient if defense is None else lambda step: defense.gradient(step, rng)


def _protected(
    update: Update, chain: tuple[Defense, ...], kept: NamedTensors, rng: Generator
) -> tuple[Update, NamedTensors]:
    """The update as it leaves, and what the defenses keep."""
    remembered: NamedTensors = {}
    for place, defense in enumerate(chain):
        mine = {name.partition("/")[2]: value for name, value in kept.items() if name.startswith(f"{place}/")}
        given = defense.recall(update, mine)
        update = defense.protect(given, rng)
        remembered |= {f"{place}/{name}": value for name, value in defense.remember(given, update).items()}
    return update, remembered
