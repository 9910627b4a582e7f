"""Ways down: each is a generator that moves the variables in place and yields how many iterations are over."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Evaluate = Callable[[], Tensor]
"""Computes the loss at the variables' present values and leaves its gradient in their `grad`."""
Optimiser = Callable[[Sequence[Tensor], Evaluate, int], Iterator[int]]
"""From variables, evaluation and a number of iterations to the run of them."""


def signed_adam(learning_rate: float) -> Optimiser:
    """Adam on the sign of the gradient, the rate going down to zero along a half cosine.

    Only the direction of each pixel's gradient counts, so the tiny gradients of a cosine distance do no harm.
    Sources: https://arxiv.org/abs/2003.14053, https://arxiv.org/abs/1412.6980
    """

    def run(variables: Sequence[Tensor], evaluate: Evaluate, steps: int) -> Iterator[int]:
        averages = [(torch.zeros_like(value), torch.zeros_like(value)) for value in variables]
        for step in range(steps):
            evaluate()
            rate = learning_rate * cosine_decay(step, steps)
            for variable, (mean, square) in zip(variables, averages, strict=True):
                assert variable.grad is not None
                _adam(variable.data, variable.grad.sign(), mean, square, rate, step + 1)
            yield step + 1

    return run


def cosine_decay(step: int, steps: int) -> float:
    """1 at the start, 0 after the last step, along a half cosine."""
    return 0.5 * (1.0 + math.cos(math.pi * step / steps))


def _adam(value: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, rate: float, step: int) -> None:
    mean.lerp_(gradient, 1 - _BETAS[0])
    square.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
    spread = (square / (1 - _BETAS[1] ** step)).sqrt_().add_(1e-8)
    value.addcdiv_(mean, spread, value=-rate / (1 - _BETAS[0] ** step))


_BETAS = (0.9, 0.999)
