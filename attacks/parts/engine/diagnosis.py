"""Diagnosis of a poor match, from what the attacker holds and never from the truth."""

from itertools import pairwise
from math import prod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Diagnosis, Reconstruction
from fedleak.gradients.precision import in_dtype
from fedleak.learning.facts import Mode
from fedleak.learning.optimizer import as_sent
from fedleak.learning.weights import NamedTensors, Weights
from fedleak.randomness import seeded

from ..applicability import leaves_signs, mode_of
from ..classifier_head.gradient import find_head
from ..known_defenses import is_hidden
from .defense_aware import adapted
from .distances import cosine

UNEXPLAINED = 0.05
"""Share of the cosine distance that examples in the middle of the range, with the same labels, have, from which a
guess is no match."""
BETTER = 0.5
"""Share of that distance that another mode or other buffers must leave to be the likelier explanation."""
FLAT = 0.05
"""Share of its loss that an attempt must still have lost over its last fifth to be called unfinished."""


def diagnose(observation: Observation, guess: Reconstruction) -> Diagnosis | None:
    """The likeliest cause of a poor match by one local step; None where the guess explains the update.

    In this order: it diverged; the clients' mode or BatchNorm buffers were others than assumed; there were several
    local steps, which no labels can make one; labels are wrong; the update says too little for so many pixels; too few
    iterations; a plateau.
    """
    if guess.note and "diverged" in guess.note:
        return Diagnosis("diverged", "the dummy data left every bound: lower learning_rate, or use precision = float64")
    if guess.inputs is None or guess.labels is None or observation.masked or len(guess.labels) != len(guess.inputs):
        return None
    inputs, labels = guess.inputs.double(), guess.labels
    weights = in_dtype(observation.before, torch.float64)
    mode = mode_of(observation)
    gradient = _gradient(observation, weights, inputs, labels, mode)
    blank = _gradient(observation, weights, torch.full_like(inputs, observation.task.space.middle), labels, mode)
    if gradient is None or blank is None:
        return None
    distance = _distance(observation, gradient)
    if distance <= UNEXPLAINED * _distance(observation, blank):
        return None
    return (
        _mode(observation, weights, inputs, labels, distance)
        or _local_steps(observation)
        or _labels(observation, gradient, labels)
        or _rank(observation, inputs)
        or _end(observation, guess, distance)
    )


def _mode(
    observation: Observation, weights: Weights, inputs: Tensor, labels: Int[Tensor, "guesses *classes"], distance: float
) -> Diagnosis | None:
    """Whether the guess explains the update better in the other mode, or with the buffers that came back."""
    if not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in observation.task.network.modules()):
        return None
    assumed = mode_of(observation)
    other: Mode = "eval" if assumed == "train" else "train"
    gradient = _gradient(observation, weights.clone(), inputs, labels, other)
    if gradient is not None and _distance(observation, gradient) < BETTER * distance:
        words = f"the guess explains the update better in {other} mode than in {assumed} mode: set federation.mode"
        return Diagnosis("mode", words)
    if assumed == "eval" and observation.buffers_after:
        after = in_dtype(Weights(observation.before.parameters, observation.buffers_after), torch.float64)
        gradient = _gradient(observation, after, inputs, labels, assumed)
        if gradient is not None and _distance(observation, gradient) < BETTER * distance:
            return Diagnosis("buffers", "the guess fits BatchNorm's buffers as they came back, not as they were sent")
    return None


def _labels(
    observation: Observation, gradient: NamedTensors, labels: Int[Tensor, "guesses *classes"]
) -> Diagnosis | None:
    """Whether the head's bias gradient is off by a whole example of some class: `g_b = p̄ - n / K`."""
    head = find_head(observation.task)
    if head is None or head.bias is None or leaves_signs(observation) or not observation.task.criterion.plain:
        return None
    if is_hidden(observation, head.bias):
        return None
    seen, guessed = head.rows(observation.gradient(), -1.0)[1], head.rows(gradient, -1.0)[1]
    assert seen is not None
    assert guessed is not None
    missing = len(labels) * (guessed - seen)
    few, many = int(missing.argmax()), int(missing.argmin())
    if missing[few] < 0.5 or missing[many] > -0.5:
        return None
    words = (
        f"the last layer's gradient is off as if class {few} were guessed too seldom and class {many} too often: "
        "try another rule for labels"
    )
    return Diagnosis("labels", words)


def _local_steps(observation: Observation) -> Diagnosis | None:
    steps = observation.training.steps
    if steps == 1:
        return None
    many = "an unknown number of" if steps is None else str(steps)
    words = f"the update is of {many} local steps and was matched as one: try surrogate-model or fedavg-inversion"
    return Diagnosis("local-steps", words)


def _rank(observation: Observation, inputs: Float[Tensor, "batch *shape"]) -> Diagnosis | None:
    """Whether the update has fewer entries than the images have pixels."""
    entries = sum(int(value.count_nonzero()) for value in observation.gradient().values())
    unknown = prod(inputs.shape)
    if entries >= unknown:
        return None
    words = (
        f"{entries} entries of the update are not zero, for {unknown} unknown pixels: only a prior can fill the rest"
    )
    return Diagnosis("rank", words)


def _end(observation: Observation, guess: Reconstruction, distance: float) -> Diagnosis:
    """Whether the loss was still falling, by the trace; and that a defense leaves something for good."""
    late = [point.loss for point in guess.trace if point.iteration >= 0.8 * guess.trace[-1].iteration]
    lowest = [min(late[: i + 1]) for i in range(len(late))]
    fell = 1.0 - lowest[-1] / lowest[0] if len(lowest) > 1 and lowest[0] > 0 else 0.0
    how = "by what its defenses let through" if observation.defense else "by cosine"
    left = f"the gradient of the guess is {distance:.2g} from the observed one {how}"
    if fell > FLAT and any(later < earlier for earlier, later in pairwise(lowest)):
        return Diagnosis("unfinished", f"{left}, and the loss was still falling: use more steps")
    if observation.defense:
        words = f"{left}, and the loss has stopped falling: the rest may be the defense, or use more restarts"
        return Diagnosis("plateau", words)
    return Diagnosis("plateau", f"{left}, and the loss has stopped falling: use more restarts, or another attack")


def _gradient(
    observation: Observation, weights: Weights, inputs: Tensor, labels: Tensor, mode: Mode
) -> NamedTensors | None:
    try:
        with seeded("diagnosis"):
            gradients = observation.task.gradients(weights, inputs, labels, mode=mode)
            return as_sent(gradients, weights.parameters, observation.training)
    except (ValueError, RuntimeError):
        return None  # the network does not run on such a batch in this mode: it cannot be what the clients did


def _distance(observation: Observation, gradient: NamedTensors) -> float:
    """As the attack has it: by cosine, or by what the defenses are known to do."""
    observed = observation.gradient()
    to_observed = adapted(observation, cosine)([observed[name].double() for name in gradient])
    return float(to_observed(list(gradient.values())))
