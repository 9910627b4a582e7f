"""Gradient certificate: the task's gradient at the guess, computed again and compared with the whole update."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.gradients.precision import in_dtype
from fedleak.learning.update import Meaning, UpdateKind, meaning_of, reach
from fedleak.learning.weights import NamedTensors
from fedleak.randomness import seeded

from .applicability import defect, mode_of

COMPUTED = 1e-5
"""What computing the gradient in single precision costs a client, relative to the gradient, at most."""
MARGIN = 10.0
"""How many times the tolerance each example of a batch must move the gradient by."""
COARSEST = 1e-3
"""A tolerance beyond which agreement proves nothing: images that people can tell apart would pass."""


def certify(
    observation: Observation,
    inputs: Float[Tensor, "batch *shape"],
    labels: Int[Tensor, "guesses *classes"],
) -> str | None:
    """The test that a batch passed, in words with its figure; None where it did not, or where there is no such test.

    The gradient g of the batch in double precision must equal the observed one o: `|g - o| / |o|` below the rounding
    that a weight difference brings, `eps |w| / (learning rate |o|)`, plus that of the client's own arithmetic.

    It proves that the batch, with these labels, gives the update that was sent: to whoever holds the update alone the
    truth could not look more true. It does not prove that no other batch gives it too; the gradient need not be
    injective. It is for one example whose first layer is linear: there `|x - truth| <= residual |o| / |o_bias|`.

    There is no test for an update of several steps, under a defense, of several clients, or of unknown facts: nothing
    is certified there, however good the guess.
    """
    if not certifiable(observation) or len(inputs) != observation.examples() or len(labels) != len(inputs):
        return None
    observed = {name: value.double() for name, value in observation.gradient().items()}
    length, tolerance = _norm(observed), _tolerance(observation)
    gradient = _gradient(observation, inputs, labels)
    if gradient is None or not _each_matters(observation, inputs, labels, MARGIN * tolerance * length):
        return None
    residual = _norm({name: gradient[name] - value for name, value in observed.items()}) / length
    return f"gradient residual {residual:.0e}, below {tolerance:.0e}" if residual < tolerance else None


def certifiable(observation: Observation) -> bool:
    """Whether there is a test for this update that a guess could pass."""
    return _testable(observation) and _tolerance(observation) <= COARSEST


def _tolerance(observation: Observation) -> float:
    """The residual that rounding alone may bring, relative to the observed gradient."""
    return COMPUTED + 2 * _rounding(observation) / _norm(observation.gradient())


def _each_matters(observation: Observation, inputs: Tensor, labels: Tensor, least: float) -> bool:
    """Whether every example's part of the gradient is longer than `least`.

    An example that the model is sure of moves the gradient by less than rounding does: any image would pass for it.
    """
    if len(inputs) == 1:
        return True
    parts = [_gradient(observation, inputs[i : i + 1], labels[i : i + 1]) for i in range(len(inputs))]
    return all(part is not None and _norm(part) / len(inputs) > least for part in parts)


def _testable(observation: Observation) -> bool:
    """Whether the update is one client's mean gradient over one batch, and its length is known."""
    if observation.defense or observation.masked or len(observation.cohort) != 1 or defect(observation):
        return False
    if observation.update.kind is UpdateKind.GRADIENT:
        return True
    training = observation.training
    # What was augmented is not what the client has, and its gradient is of one image or of several drawn from it.
    known = training.weight_decay is not None and training.momentum is not None and not training.augmentation
    return known and meaning_of(training) is Meaning.GRADIENT


def _rounding(observation: Observation) -> float:
    """The length of the error in the gradient that comes from a weight's last bit, before and after the step."""
    eps = max(torch.finfo(value.dtype).eps for value in observation.update.tensors.values())
    length = reach(observation.training)
    if observation.update.kind is UpdateKind.GRADIENT or length is None:
        return eps * _norm(observation.update.tensors)
    return eps * _norm(observation.before.parameters) / length


def _gradient(observation: Observation, inputs: Tensor, labels: Tensor) -> NamedTensors | None:
    weights = in_dtype(observation.before, torch.float64)
    try:
        with seeded("certificate"):  # for dropout, whose draws nobody can repeat: such a guess will not pass
            return observation.task.gradients(weights, inputs.double(), labels, mode=mode_of(observation))
    except (ValueError, RuntimeError):
        return None  # the network does not run on such a batch, or not in double precision: nothing can be tested


def _norm(tensors: Mapping[str, Tensor]) -> float:
    return float(torch.stack([value.double().square().sum() for value in tensors.values()]).sum().sqrt())
