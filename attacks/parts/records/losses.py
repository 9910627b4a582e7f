"""Per-record losses under the weights that were sent and under those that came back."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.update import UpdateKind
from fedleak.learning.weights import Weights

CHUNK = 256


def losses(task: Task, weights: Weights, examples: Batch) -> Float[Tensor, " examples"]:
    """The loss of each example, in eval mode, so that no example depends on its neighbors."""
    with torch.no_grad():
        parts = [
            task.criterion.each(task.logits(weights, part.inputs, mode="eval"), part.labels)
            for part in map(examples.__getitem__, torch.split(torch.arange(len(examples)), CHUNK))
        ]
    return torch.cat(parts).double()


def rightness(task: Task, weights: Weights, examples: Batch) -> Float[Tensor, " examples"]:
    """1 for each example whose label, or set of labels, the model decides for, else 0."""
    with torch.no_grad():
        parts = [
            (task.criterion.decided(task.logits(weights, part.inputs, mode="eval")) == part.labels).view(len(part), -1)
            for part in map(examples.__getitem__, torch.split(torch.arange(len(examples)), CHUNK))
        ]
    return torch.cat(parts).all(1).double()


def drops(observation: Observation, examples: Batch) -> Float[Tensor, " examples"]:
    """By how much the update lowers the loss of each example."""
    task = observation.task
    return losses(task, observation.before, examples) - losses(task, weights_after(observation), examples)


def weights_after(observation: Observation) -> Weights:
    """The client's weights as they came back, with its BatchNorm statistics where it sent them.

    Where a bare gradient came, or only that is known, they are one step of the known learning rate away, or of 1.
    """
    before, update = observation.before, observation.update
    step = 1.0
    if update.kind is UpdateKind.GRADIENT:
        step = -(observation.training.learning_rate or 1.0)
    parameters = {name: value + step * update.tensors[name] for name, value in before.parameters.items()}
    return Weights(parameters, {**before.buffers, **(observation.buffers_after or {})})
