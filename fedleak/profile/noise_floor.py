"""Noise floor: how far each entry of the gradient that a server sees is off, before anybody attacks it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fedleak.contracts.chain import Chain
from fedleak.gradients.precision import in_dtype, spacing
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import UpdateKind, reach
from fedleak.learning.weights import NamedTensors
from fedleak.profile.subject import Subject
from fedleak.randomness import seeded


@dataclass(frozen=True, kw_only=True)
class Floor:
    """Root mean squares over all entries, in units of the gradient; independent of each other."""

    rounding: float
    """Of the weights after training to their last bit, seen through the difference of weights."""
    arithmetic: float
    """Of the client's own computation in single precision; NaN where the truth is not at hand to repeat it."""
    noise: float
    """What the client adds on purpose."""

    @property
    def total(self) -> float:
        """All of them together."""
        return math.sqrt(sum(part**2 for part in (self.rounding, self.arithmetic, self.noise) if part == part))


def floor_of(subject: Subject) -> Floor:
    """The floor under an update."""
    noise = noise_in(subject.observation.defense, subject.training) / scale_of(subject)
    return Floor(rounding=_rounding(subject), arithmetic=_arithmetic(subject), noise=noise)


def scale_of(subject: Subject) -> float:
    """What a gradient is multiplied by to become the delta that is sent: see `reach`."""
    if subject.observation.update.kind is UpdateKind.GRADIENT:
        return 1.0
    return reach(subject.training) or 1.0  # as `Update.as_gradient` does: where it is unknown the direction counts


def noise_in(chain: Chain, training: LocalTraining) -> float:
    """The standard deviation of the noise that a chain is known to add to an entry of the delta."""
    return math.sqrt(chain.noise_variance(training))


def _rounding(subject: Subject) -> float:
    """A number rounded to the nearest of a grid of spacing u is off by u / √12, root mean square."""
    observation = subject.observation
    if observation.update.kind is UpdateKind.GRADIENT:
        return 0.0
    before = observation.before.parameters
    spacings = [spacing(before[name] + delta) for name, delta in observation.update.tensors.items()]
    return _root_mean_square(spacings) / math.sqrt(12) / scale_of(subject)


def _arithmetic(subject: Subject) -> float:
    """The gradient at the truth, computed as a client does and in double precision: the root mean square difference.

    It is far above rounding where the network has BatchNorm on small batches, or activations about zero.
    """
    if subject.truth is None:
        return math.nan
    single = gradient_at_truth(subject, torch.float32)
    double = gradient_at_truth(subject, torch.float64)
    return _root_mean_square([single[name].double() - value for name, value in double.items()])


def gradient_at_truth(subject: Subject, dtype: torch.dtype) -> NamedTensors:
    """The mean gradient of the true examples at the weights that the server sent."""
    assert subject.truth is not None
    weights = in_dtype(subject.observation.before, dtype)
    with seeded("profile"):  # for dropout
        return subject.observation.task.gradients(
            weights, subject.truth.inputs.to(dtype), subject.truth.labels, mode=subject.training.mode or "train"
        )


def _root_mean_square(parts: list[Tensor]) -> float:
    squares = sum(float(part.double().square().sum()) for part in parts)
    return math.sqrt(squares / sum(part.numel() for part in parts))
