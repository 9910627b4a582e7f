"""Isolation: what a sum says of one client alone, or of one class, as if that were behind a message of its own."""

from dataclasses import dataclass, replace

import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.manipulation import Isolation
from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.learning.update import Meaning, Update, UpdateKind, decay_beside, meaning_of, reach
from fedleak.learning.weights import NamedTensors

from .classifier_head.gradient import find_head, head_of
from .classifier_head.outputs import never_negative
from .classifier_head.single_example import bias_of_one
from .known_defenses import with_hidden

FAR = 4.0
"""Standard deviations of noise beyond which the target's bias has moved."""
FAINT = 1e-6
"""What rounding moves it by."""


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
        amplified=1 / (share * len(observation.cohort) ** 0.5),
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


# One class's part.


@dataclass(frozen=True, kw_only=True)
class Catch:
    """What the server would have seen of the class's examples alone, and how many there are."""

    alone: Observation
    examples: int


def caught(observation: Observation, target: int) -> Catch:
    """The update of the examples of a class, in the place of that of all; raises `NotApplicable` where there is none.

    The target's posterior is 0 for every example, so that the gradient of its bias is -n / N for n of N examples, and
    those of the other classes are what their posteriors q are: `G_k = -q_k G_t` for the target's row G_t, whatever else
    is in these rows of the sum. The mean over the n examples is what has -1 there, however a client scaled its update;
    n is then taken for 1 unless the gradient says more.
    """
    if meaning_of(observation.training) is not Meaning.GRADIENT:
        raise NotApplicable(
            "what is fished for is one local step of known length: after it the last layer is no longer the crafted one"
        )
    head, every = head_of(observation.task), observation.examples()
    gradient, before = observation.gradient(), observation.before.parameters
    if head.bias is None or not head.plain:
        raise NotApplicable("the last layer has no bias of its own, which says how many examples are of the class")
    defended, noise = bool(observation.defense.local), _noise(observation)
    share = -float(gradient[head.bias][target])
    if share <= (max(FAR * noise, FAINT) if defended else 0.5 / every):
        beyond = " beyond the noise of defenses" if noise else ""
        raise NotApplicable(
            f"nobody has an example of class {target} in this message, by the gradient of its bias{beyond}"
        )
    examples = max(round(every * share), 1)
    share = share if defended else examples / every
    own = {name: value.double() / share for name, value in gradient.items()}
    posteriors = before[head.bias].double().index_fill(0, torch.tensor([target]), -torch.inf).softmax(0)
    shares = -posteriors.index_fill(0, torch.tensor([target]), -1.0)
    own[head.weight] = shares[:, None] * own[head.weight][target]
    own[head.bias] = shares * own[head.bias][target]
    training = replace(observation.training, batch_size=examples, batches=1, accumulation=1)
    kept = Chain(tuple(one for one in observation.defense.local if not one.keeps_direction))
    alone = replace(observation, num_examples=examples, training=training, defense=kept, amplified=1 / share)
    return Catch(alone=with_gradient(replace(alone, buffers_after=None), own), examples=examples)


def _noise(observation: Observation) -> float:
    """Standard deviation of the noise in an entry of the gradient of one step."""
    variance = observation.defense.noise_variance(observation.training) / len(observation.cohort)
    return float(variance**0.5) / (reach(observation.training) or 1.0)
