"""Surrogate model: a point between the weights sent and returned, whose gradient stands for all local steps."""

from collections.abc import Sequence

from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.update import UpdateKind, decay_beside, reach
from fedleak.learning.weights import NamedTensors

from ..engine.gradient_match import Dummy, Simulate, one_step
from ..engine.objective import Gradient
from ..engine.public_model import PublicModel

SHARE = "share of the way"
"""The variable that says where on the way the surrogate is: 0 at the weights that were sent, 1 at those that came."""
SHARE_UNIT = 0.01
"""How fast it moves where a pixel's range counts 1."""


def mean_gradient(observation: Observation) -> Simulate:
    """The mean gradient over the local steps: at a surrogate where there are several and their way is known."""
    delta = weight_change(observation)
    if delta is None or observation.training.steps == 1:
        return one_step
    return at_surrogate(delta, decay_beside(observation.training) + observation.training.proximal)


def at_surrogate(delta: NamedTensors, decay: float) -> Simulate:
    """The gradient of the whole batch at `before + share * delta`.

    It stands for the mean over all local steps, which is what `Observation.gradient` makes of a delta; at share 0 that
    is one step. `decay` is the pull of the weights towards zero, and in FedProx towards where they were sent.
    Source: https://arxiv.org/abs/2306.00127
    """

    def simulate(model: PublicModel, dummy: Dummy, gradient: Gradient) -> Sequence[Tensor]:
        share, start = dummy.variables[SHARE], model.weights.parameters
        moved = {name: share * delta[name].to(value) for name, value in start.items()}
        at = {name: value + moved[name] for name, value in start.items()}
        slopes = model.sent(model.gradients(dummy.inputs, dummy.labels, gradient, at), at)
        # The weights decay where the surrogate is, and `Observation.gradient` took off what they do at the start.
        return [slope + decay * moved[name] for name, slope in slopes.items()]

    return simulate


def weight_change(observation: Observation) -> NamedTensors | None:
    """How far the weights went, as the update says; None where it does not say (length unknown, masks)."""
    if observation.masked:
        return None
    if observation.update.kind is UpdateKind.DELTA:
        return observation.update.tensors
    length = reach(observation.training)
    if length is None:
        return None
    decay, before = decay_beside(observation.training), observation.before.parameters
    return {n: -length * (g + decay * before[n]) for n, g in observation.update.tensors.items()}
