"""Client round, pure: from the weights that a client is sent to those that it sends, through its defenses."""

from dataclasses import dataclass, field

import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.chaining import only_watches
from fedleak.contracts.tampered import Tampered
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.training import LocalTraining, Step, train_locally
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
    chain: Chain,
    seed_key: tuple[object, ...],
    kept: NamedTensors | None = None,
    tampered: Tampered | None = None,
) -> Sent:
    """Trains from `before` and applies the defenses; undefended buffers leave as training made them.

    `tampered` is what the training code does beside: defenses of the update act on it like on all that is sent,
    those of gradients do not.

    `task` is the transformed one, see `Chain.task`. `seed_key` seeds batch order, dropout and the defenses; the same
    arguments give the same bits. `kept` is what the client's last round left. Masking is not part of it: see
    `defenses.secure_aggregation`. Raises `NonFiniteError`.
    """
    kept, local = kept or {}, chain.local
    own = local.withheld(task)
    start = with_own(before, own, kept)
    if len(examples):  # of Poisson samples there may be none
        examples = local.examples(task, examples if tampered is None else tampered.examples(examples), seed_key)
    draws = generator(*seed_key, "gradient")

    def gradient(step: Step) -> NamedTensors:
        own = local.gradient(step, draws)
        return own if tampered is None else tampered.gradient(own, step.weights.parameters)

    after = train_locally(task, start, examples, training, seed_key, gradient=gradient)
    after = after if tampered is None else tampered.finish(start, after)
    return defended(task, before, start, after, chain, seed_key, kept)


def defended(
    task: Task,
    before: Weights,
    start: Weights,
    after: Weights,
    chain: Chain,
    seed_key: tuple[object, ...],
    kept: NamedTensors,
) -> Sent:
    """What leaves of weights `after` training that began at `start`: `before`, with the client's own layers.

    Arguments are those of `client_round`.
    """
    local = chain.local
    own = local.withheld(task)
    # before + (after - before) is not after to the last bit, so an undefended reply is left alone.
    if all(map(only_watches, local)):
        return Sent(weights=after)
    delta = {name: after.parameters[name] - value for name, value in start.parameters.items()}
    shared = {name: torch.zeros_like(value) if name in own else value for name, value in delta.items()}
    rng = generator(*seed_key, "defense")
    sent, state = local.protect_with_state(Update(shared, UpdateKind.DELTA), kept, rng)
    shown = {name: value if name in own else value + sent.tensors[name] for name, value in before.parameters.items()}
    buffers = {name: before.buffers[name] if name in own else value for name, value in after.buffers.items()}
    private = {f"{OWN}/{name}": value for name, value in after.state_dict().items() if name in own}
    return Sent(weights=Weights(shown, buffers), kept={**private, **state})


def with_own(before: Weights, own: frozenset[str], kept: NamedTensors) -> Weights:
    """What a client trains from: the weights it is sent, but for those that it has of its own."""
    state = before.state_dict()
    return before.like({name: kept.get(f"{OWN}/{name}", state[name]) if name in own else state[name] for name in state})
