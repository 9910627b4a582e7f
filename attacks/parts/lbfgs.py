"""Limited-memory BFGS, for smooth objectives in float64."""

from collections import deque
from collections.abc import Generator

from jaxtyping import Float
from torch import Tensor

from .line_search import Trial, strong_wolfe
from .optimisers import Optimiser, Told, Way

Pair = tuple[Tensor, Tensor, float]
"""A step s, the change y of the gradient over it, and 1 / s·y."""


def lbfgs(history: int = 50, magnification: float = 1e6) -> Optimiser:
    """Quasi-Newton steps from the last `history` changes of the gradient; ends early where no step goes down.

    The loss is magnified for the optimiser's eyes only: the gradients of a matching loss are tiny, and the first step
    is as long as they are unless they are longer than 1. Not `torch.optim.LBFGS`: that one calls its objective, where
    here many starts are asked what they want evaluated. Source: https://doi.org/10.1007/BF01589116
    """

    def run(point: Tensor, steps: int) -> Way:
        told, gradient = yield 0, point
        loss, gradient = magnification * float(told), magnification * gradient
        pairs: deque[Pair] = deque(maxlen=history)
        for iteration in range(steps):
            direction = -_newton(gradient, pairs)
            slope = float(gradient.dot(direction))
            # The first step is a guess: at most 1 in the sum of absolute changes.
            first = 1.0 if pairs else min(1.0, 1.0 / max(float(gradient.abs().sum()), 1e-300))
            start = Trial(0.0, loss, slope, gradient)
            reached = yield from _along(point, direction, start, first, iteration, magnification)
            if not reached.loss < loss:
                return
            change, turn = reached.step * direction, reached.gradient - gradient
            curvature = float(change.dot(turn))
            if curvature > 1e-20 * float(turn.dot(turn)):
                pairs.append((change, turn, 1.0 / curvature))
            point, loss, gradient = point + change, reached.loss, reached.gradient

    return run


def _along(
    point: Tensor, direction: Tensor, start: Trial, first: float, iteration: int, magnification: float
) -> Generator[tuple[int, Tensor], Told, Trial]:
    """Asks for the places that a line search wants to see, and returns the one it settles on."""
    search = strong_wolfe(start, first)
    step = next(search)
    while True:
        loss, gradient = yield iteration, point + step * direction
        gradient = magnification * gradient
        try:
            step = search.send(Trial(step, magnification * float(loss), float(gradient.dot(direction)), gradient))
        except StopIteration as end:
            settled: Trial = end.value
            return settled


def _newton(gradient: Float[Tensor, " entries"], pairs: deque[Pair]) -> Float[Tensor, " entries"]:
    """The inverse Hessian that the pairs tell, times the gradient: the two-loop recursion."""
    if not pairs:
        return gradient
    direction, along = gradient.clone(), []
    for change, turn, inverse in reversed(pairs):
        share = inverse * change.dot(direction)
        direction.sub_(share * turn)
        along.append(share)
    _, turn, inverse = pairs[-1]
    direction.div_(inverse * turn.dot(turn))
    for (change, turn, inverse), share in zip(pairs, reversed(along), strict=True):
        direction.add_((share - inverse * turn.dot(direction)) * change)
    return direction
