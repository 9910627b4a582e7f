"""Training loop of an attack's own networks."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ..optimizers.first_order import Optimizer


def fit(network: nn.Module, loss: Callable[[], Float[Tensor, ""]], optimizer: Optimizer, steps: int) -> Iterator[int]:
    """Moves a network's parameters down a loss, drawn anew for every step; yields how many steps are over.

    With the optimizers that matching has: importing `torch.optim` takes seconds of every process.
    """
    parameters = list(network.parameters())
    trajectory = optimizer(parameters_to_vector(parameters).detach(), steps)
    step, point = next(trajectory)
    while True:
        vector_to_parameters(point, parameters)  # as views: the optimizer moves the point in place
        value = loss()
        gradients = torch.autograd.grad(value, parameters)
        evaluation = value.detach(), torch.cat([gradient.reshape(-1) for gradient in gradients])
        try:
            step, point = trajectory.send(evaluation)
        except StopIteration:
            yield step + 1
            return
        yield step
