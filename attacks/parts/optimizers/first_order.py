"""Optimizers as coroutines: each yields a point, is sent its loss and gradient, and goes on from there."""

import math
from collections.abc import Callable, Generator

import torch
from jaxtyping import Float
from torch import Tensor

Evaluation = tuple[Float[Tensor, ""], Float[Tensor, " entries"]]
"""The loss at a point and its gradient there."""


Trajectory = Generator[tuple[int, Float[Tensor, " entries"]], Evaluation, None]
"""Yields how many iterations are over and the next point to evaluate. It may move the point it yielded in place, and
whoever evaluates may project it in place first."""


Optimizer = Callable[[Float[Tensor, " entries"], int], Trajectory]
"""From a start, which it may write to, and a number of iterations to the trajectory from there."""


def signed_adam(learning_rate: float) -> Optimizer:
    """Adam on the sign of the gradient, the rate going down to zero along a half cosine.

    Only the direction of each pixel's gradient counts, so the tiny gradients of a cosine distance do no harm.
    Sources: https://arxiv.org/abs/2003.14053, https://arxiv.org/abs/1412.6980
    """
    return adam(learning_rate, signed=True)


def adam(learning_rate: float, *, signed: bool = False, warm_up: int = 0) -> Optimizer:
    """Adam, the rate rising along a line over `warm_up` iterations, then going down to zero along a half cosine.

    Source: https://arxiv.org/abs/1412.6980
    """

    def run(point: Tensor, steps: int) -> Trajectory:
        mean, square = torch.zeros_like(point), torch.zeros_like(point)
        for step in range(steps):
            _, gradient = yield step, point
            rise = min(1.0, (step + 1) / (warm_up + 1))
            rate = learning_rate * rise * cosine_decay(step, steps)
            _adam(point, gradient.sign() if signed else gradient, mean, square, rate, step + 1)

    return run


def flat_adam(learning_rate: float, share: float) -> Optimizer:
    """Signed Adam that also goes where the slope is less: gradient regularization, at two evaluations a step.

    The sign that counts is `(1 - share)` of the gradient's here and `share` of that one step of the rate uphill, which
    to first order adds a penalty on the length of the gradient. Source: https://arxiv.org/abs/2202.03599
    """

    def run(point: Tensor, steps: int) -> Trajectory:
        mean, square = torch.zeros_like(point), torch.zeros_like(point)
        for step in range(steps):
            rate = learning_rate * cosine_decay(step, steps)
            _, here = yield step, point
            _, uphill = yield step, point + rate * here.sign()
            blend = (1 - share) * here.sign() + share * uphill.sign()
            _adam(point, blend, mean, square, rate, step + 1)

    return run


def langevin(optimizer: Optimizer, deviation: float, rng: torch.Generator) -> Optimizer:
    """An optimizer that moves its point in place, plus N(0, deviation²) noise that goes down along a half cosine.

    Source: https://arxiv.org/abs/2104.07586
    """

    def run(point: Tensor, steps: int) -> Trajectory:
        trajectory = optimizer(point, steps)
        step, asked = next(trajectory)
        while True:
            evaluation = yield step, asked
            try:
                step, asked = trajectory.send(evaluation)
            except StopIteration:
                return
            noise = torch.randn(asked.shape, generator=rng).to(asked)
            asked.add_(noise, alpha=deviation * cosine_decay(step, steps))

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
MEMORY = 0.99
"""Share of the running mean of squares that is kept in an iteration."""


def rmsprop(learning_rate: float, momentum: float) -> Optimizer:
    """The gradient over the root of its running mean square, with momentum; the rate stays as it is.

    Source: Hinton, Srivastava and Swersky, Neural Networks for Machine Learning, lecture 6,
    https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
    """

    def run(point: Tensor, steps: int) -> Trajectory:
        square, velocity = torch.zeros_like(point), torch.zeros_like(point)
        for step in range(steps):
            _, gradient = yield step, point
            square.mul_(MEMORY).addcmul_(gradient, gradient, value=1 - MEMORY)
            velocity.mul_(momentum).addcdiv_(gradient, square.sqrt().add_(1e-8))
            point.sub_(velocity, alpha=learning_rate)

    return run
