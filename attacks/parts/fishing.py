"""Fished: the update of one class's examples alone, out of a sum over all, where a server crafted the last layer so."""

from dataclasses import dataclass, replace

import torch

from fedleak.contracts.observation import Observation
from fedleak.errors import NotApplicable
from fedleak.learning.update import Meaning, meaning_of

from .classifier_head.gradient import head_of
from .isolation import with_gradient


@dataclass(frozen=True, kw_only=True)
class Catch:
    """What the server would have seen of the class's examples alone, and how many there are."""

    alone: Observation
    examples: int


def caught(observation: Observation, target: int) -> Catch:
    """The update of the examples of a class, in the place of that of all; raises `NotApplicable` where there is none.

    The target's posterior is 0 for every example, so that the gradient of its bias is -n / N for n of N examples, and
    those of the other classes are what their posteriors q are: `G_k = -q_k G_t` for the target's row G_t, whatever else
    is in these rows of the sum.
    """
    if meaning_of(observation.training) is not Meaning.GRADIENT:
        raise NotApplicable(
            "what is fished for is one local step of known length: after it the last layer is no longer the crafted one"
        )
    head, every = head_of(observation.task), observation.examples()
    gradient, before = observation.gradient(), observation.before.parameters
    if head.bias is None or not head.plain:
        raise NotApplicable("the last layer has no bias of its own, which says how many examples are of the class")
    examples = round(-every * float(gradient[head.bias][target]))
    if examples < 1:
        raise NotApplicable(f"nobody has an example of class {target} in this message, by the gradient of its bias")
    own = {name: value.double() * every / examples for name, value in gradient.items()}
    posteriors = before[head.bias].double().index_fill(0, torch.tensor([target]), -torch.inf).softmax(0)
    shares = -posteriors.index_fill(0, torch.tensor([target]), -1.0)
    own[head.weight] = shares[:, None] * own[head.weight][target]
    own[head.bias] = shares * own[head.bias][target]
    training = replace(observation.training, batch_size=examples, batches=1, accumulation=1)
    alone = replace(observation, num_examples=examples, training=training, defense=observation.defense.local)
    return Catch(alone=with_gradient(replace(alone, buffers_after=None), own), examples=examples)
