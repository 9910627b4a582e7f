"""Forward probes: values inside a forward pass, read in the one pass that also gives the gradient.

A probe is a vector that multiplies what is shown, added to the loss: at zero it changes neither the loss nor the
gradient of the parameters, and the gradient of the probe is what was shown. So an attack can match, say, features
without a second forward pass, and in either way to differentiate.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from fedleak.learning.weights import NamedTensors

from .distances import Distance, DistanceTo
from .gradient_match import Dummy, Simulate
from .objective import Gradient
from .public_model import PublicModel

Read = Callable[[Float[Tensor, ""]], Sequence[Tensor]]
"""From the loss of the pass that just ran to what it showed, one tensor for each probe."""
Penalty = Callable[[Sequence[Tensor]], Float[Tensor, ""]]
"""From what was shown to how far it is from what should have been."""


def zero_probes(shapes: Sequence[Sequence[int]], dtype: torch.dtype, device: str) -> list[Tensor]:
    """A probe for each tensor that is shown."""
    return [torch.zeros(tuple(shape), dtype=dtype, device=device, requires_grad=True) for shape in shapes]


def one_step_and(read: Read, probes: Sequence[Tensor]) -> Simulate:
    """The gradient of the whole batch at the weights that were sent, followed by what its forward pass showed."""
    named = {f"probe {number}": probe for number, probe in enumerate(probes)}

    def simulate(model: PublicModel, dummy: Dummy, gradient: Gradient) -> Sequence[Tensor]:
        def loss(values: NamedTensors) -> Tensor:
            parameters = {name: values[name] for name in model.weights.parameters}
            task_loss = model.loss(parameters, dummy.inputs, dummy.labels)
            shown = read(task_loss)
            return task_loss + torch.stack([(values[n] * v).sum() for n, v in zip(named, shown, strict=True)]).sum()

        return list(gradient(loss, {**model.weights.parameters, **named}).values())

    return simulate


def and_penalty(distance: DistanceTo, penalty: Penalty, weight: float) -> DistanceTo:
    """The distance between gradients plus `weight` times the penalty on what follows the gradient."""

    def to(observed: Sequence[Tensor]) -> Distance:
        near = distance(observed)

        def total(simulated: Sequence[Tensor]) -> Tensor:
            return near(simulated[: len(observed)]) + weight * penalty(simulated[len(observed) :])

        return total

    return to
