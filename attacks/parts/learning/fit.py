"""Training of an attack's own networks."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ..optimizers.first_order import Optimiser


def fit(network: nn.Module, loss: Callable[[], Float[Tensor, ""]], optimiser: Optimiser, steps: int) -> Iterator[int]:
    """Moves a network's parameters down a loss, drawn anew for every step; yields how many steps are over.

    With the optimisers that matching has: importing `torch.optim` takes seconds of every process.
    """
    parameters = list(network.parameters())
    way = optimiser(parameters_to_vector(parameters).detach(), steps)
    step, point = next(way)
    while True:
        vector_to_parameters(point, parameters)  # as views: the optimiser moves the point in place
        value = loss()
        gradients = torch.autograd.grad(value, parameters)
        told = value.detach(), torch.cat([gradient.reshape(-1) for gradient in gradients])
        try:
            step, point = way.send(told)
        except StopIteration:
            yield step + 1
            return
        yield step
