"""Local training as a function that can be differentiated: from a dummy batch to the update of several steps."""

from collections.abc import Callable, Iterable, Sequence

from jaxtyping import Float
from torch import Tensor

from fedleak.contracts.observation import Observation
from fedleak.learning.training import LocalTraining
from fedleak.learning.update import UpdateKind

from .gradient_match import Dummy, Simulate
from .objective import Gradient
from .public_model import PublicModel

Batches = Iterable[tuple[Tensor, Tensor]]
"""Images and labels of one local step after the other."""
Plan = Callable[[Dummy], Batches]
"""Which of the dummy data each local step uses."""
LOG_RATE = "log learning rate"
"""The variable that stands for the clients' learning rate where it is learned."""


def unrolled(observation: Observation, training: LocalTraining, plan: Plan) -> Simulate:
    """The update of SGD over the plan's batches, with momentum and weight decay as `training` has them.

    Where `training` has no learning rate, it is e to the variable `LOG_RATE`. A step costs and keeps in memory what a
    step of gradient matching does, so T steps on the same images cost T times as much.
    Source: https://arxiv.org/abs/2206.12395, https://arxiv.org/abs/2003.14053
    """
    as_gradient = _form(observation)

    def simulate(model: PublicModel, dummy: Dummy, gradient: Gradient) -> Sequence[Tensor]:
        rate = dummy.variables[LOG_RATE].exp() if training.learning_rate is None else training.learning_rate
        start, moved, velocity = model.weights.parameters, None, None
        for inputs, labels in plan(dummy):
            # The way is summed up by itself: the difference of two sets of weights would lose digits.
            at = start if moved is None else {name: value - moved[name] for name, value in start.items()}
            pull = model.gradients(inputs, labels, gradient, at)
            if training.weight_decay:
                pull = {name: value + training.weight_decay * at[name] for name, value in pull.items()}
            if training.momentum and velocity is not None:
                pull = {name: value + training.momentum * velocity[name] for name, value in pull.items()}
            velocity = pull
            moved = {n: rate * v if moved is None else moved[n] + rate * v for n, v in velocity.items()}
        assert moved is not None, "a plan has at least one batch"
        return [as_gradient(moved[name], start[name], rate) for name in start]

    return simulate


def _form(observation: Observation) -> Callable[[Tensor, Tensor, float | Float[Tensor, ""]], Tensor]:
    """From the way that weights went, and where they started, to what `Observation.gradient` makes of it."""
    known, steps = observation.training, observation.training.effective_steps
    decay = known.weight_decay or 0.0
    if observation.update.kind is UpdateKind.GRADIENT:
        return lambda moved, start, rate: moved / (rate * (steps or 1.0)) - decay * start
    if known.learning_rate is None or steps is None:
        return lambda moved, start, rate: moved  # noqa: ARG005
    scale = known.learning_rate * steps
    return lambda moved, start, rate: moved / scale - decay * start  # noqa: ARG005
