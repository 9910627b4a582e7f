"""Isolation: what a sum says of one client alone, as if that client had sent a message of its own."""

from dataclasses import replace

import torch

from fedleak.contracts.manipulation import Isolation
from fedleak.contracts.observation import Observation
from fedleak.learning.update import Meaning, Update, UpdateKind, decay_beside, meaning_of, reach
from fedleak.learning.weights import NamedTensors

from .classifier_head.gradient import find_head
from .classifier_head.outputs import never_negative
from .classifier_head.single_example import bias_of_one
from .hidden_entries import with_hidden


def alone(observation: Observation, isolation: Isolation) -> Observation:
    """What the server would have seen of the victim, with what is everybody's hidden, or computed where that can be.

    A mean over clients by their examples has the victim's part times its share of them. Of a single example the last
    layer's bias gradient follows from the rest.
    """
    examples = examples_of_one(observation, isolation)
    share = 1 / len(observation.cohort) if not observation.num_examples else examples / observation.num_examples
    own = {name: (value.double() / share).to(value.dtype) for name, value in observation.update.tensors.items()}
    of_victim = replace(
        observation,
        update=Update(own, observation.update.kind),
        buffers_after=None,
        cohort=(isolation.victim,),
        num_examples=examples,
        defense=observation.defense.local,
    )
    return with_hidden(*_with_bias(of_victim, isolation.trusted))


def examples_of_one(observation: Observation, isolation: Isolation) -> int:
    """The victim's examples: as it said in the clear, else its batches as far as they are known, else as many as the
    others have."""
    if isolation.examples is not None:
        return max(isolation.examples, 1)
    training = observation.training
    if training.batch_size and training.batches:
        return training.batch_size * training.batches
    return max(round(observation.examples() / len(observation.cohort)), 1)


def _with_bias(observation: Observation, trusted: NamedTensors) -> tuple[Observation, NamedTensors]:
    """With the head's bias gradient where it alone is not trusted and follows from that of the weight."""
    head, criterion = find_head(observation.task), observation.task.criterion
    single = observation.examples() == 1 and meaning_of(observation.training) is Meaning.GRADIENT
    if head is None or head.bias is None or not (single and criterion.plain and head.plain) or observation.defense:
        return observation, trusted
    if trusted[head.bias].all() or not trusted[head.weight].all() or not never_negative(observation):
        return observation, trusted
    (weight, _), (at, bias) = head.rows(observation.gradient(), -1.0), head.rows(observation.before.parameters, 0.0)
    assert bias is not None
    found = bias_of_one(weight, at, bias)
    if found is None:
        return observation, trusted
    read = with_gradient(observation, {head.bias: found[-len(trusted[head.bias]) :]})
    return read, {**trusted, head.bias: torch.ones_like(trusted[head.bias])}


def with_gradient(observation: Observation, gradients: NamedTensors) -> Observation:
    """The observation with the update that gradients of some parameters stand for: undoes `Update.as_gradient`."""
    update, training, before = observation.update, observation.training, observation.before.parameters
    if update.kind is UpdateKind.DELTA:
        scale, decay = reach(training) or 1.0, decay_beside(training) if reach(training) else 0.0
        gradients = {name: -scale * (value + decay * before[name].double()) for name, value in gradients.items()}
    exact = {name: value.to(update.tensors[name].dtype) for name, value in gradients.items()}
    return replace(observation, update=Update({**update.tensors, **exact}, update.kind))
