"""RMSprop, as a way down."""

import torch
from torch import Tensor

from .optimisers import Optimiser, Way

MEMORY = 0.99
"""Share of the running mean of squares that is kept in an iteration."""


def rmsprop(learning_rate: float, momentum: float) -> Optimiser:
    """The gradient over the root of its running mean square, with momentum; the rate stays as it is.

    Source: Hinton, Srivastava and Swersky, Neural Networks for Machine Learning, lecture 6,
    https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
    """

    def run(point: Tensor, steps: int) -> Way:
        square, velocity = torch.zeros_like(point), torch.zeros_like(point)
        for step in range(steps):
            _, gradient = yield step, point
            square.mul_(MEMORY).addcmul_(gradient, gradient, value=1 - MEMORY)
            velocity.mul_(momentum).addcdiv_(gradient, square.sqrt().add_(1e-8))
            point.sub_(velocity, alpha=learning_rate)

    return run
