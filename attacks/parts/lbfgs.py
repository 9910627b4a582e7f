"""Limited-memory BFGS, for smooth objectives in float64."""

from collections import deque
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .line_search import Trial, strong_wolfe
from .optimisers import Evaluate, Optimiser

Pair = tuple[Tensor, Tensor, float]
"""A step s, the change y of the gradient over it, and 1 / s·y."""


def lbfgs(history: int = 50, magnification: float = 1e6) -> Optimiser:
    """Quasi-Newton steps from the last `history` changes of the gradient; ends early where no step goes down.

    The loss is magnified for the optimiser's eyes only: the gradients of a matching loss are tiny, and the first step
    is as long as they are unless they are longer than 1. Not `torch.optim.LBFGS`: the first optimiser of that package
    takes seconds to load. Source: https://doi.org/10.1007/BF01589116
    """

    def run(variables: Sequence[Tensor], evaluate: Evaluate, steps: int) -> Iterator[int]:
        landscape = _Landscape(variables, evaluate, magnification)
        point = landscape.point()
        loss, gradient = landscape.at(point)
        pairs: deque[Pair] = deque(maxlen=history)
        for iteration in range(1, steps + 1):
            direction = -_newton(gradient, pairs)
            slope = float(gradient.dot(direction))
            # The first step is a guess: at most 1 in the sum of absolute changes.
            first = 1.0 if pairs else min(1.0, 1.0 / max(float(gradient.abs().sum()), 1e-300))
            reached = strong_wolfe(
                lambda step, direction=direction, point=point: landscape.trial(point, direction, step),  # type: ignore[misc]
                Trial(0.0, loss, slope, gradient),
                first,
            )
            yield iteration
            if not reached.loss < loss:
                return
            change, turn = reached.step * direction, reached.gradient - gradient
            curvature = float(change.dot(turn))
            if curvature > 1e-20 * float(turn.dot(turn)):
                pairs.append((change, turn, 1.0 / curvature))
            point, loss, gradient = point + change, reached.loss, reached.gradient

    return run


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


class _Landscape:
    """The loss over all variables as one vector."""

    def __init__(self, variables: Sequence[Tensor], evaluate: Evaluate, magnification: float) -> None:
        self.variables, self.evaluate, self.magnification = variables, evaluate, magnification

    def point(self) -> Float[Tensor, " entries"]:
        return torch.cat([variable.detach().reshape(-1) for variable in self.variables])

    def at(self, point: Float[Tensor, " entries"]) -> tuple[float, Float[Tensor, " entries"]]:
        """Moves the variables there; the magnified loss and gradient."""
        pieces = torch.split(point, [variable.numel() for variable in self.variables])
        for variable, piece in zip(self.variables, pieces, strict=True):
            variable.data.copy_(piece.view_as(variable))
        loss = self.magnification * float(self.evaluate())
        gradients = [variable.grad.reshape(-1) for variable in self.variables if variable.grad is not None]
        return loss, self.magnification * torch.cat(gradients)

    def trial(self, point: Float[Tensor, " entries"], direction: Float[Tensor, " entries"], step: float) -> Trial:
        loss, gradient = self.at(point + step * direction)
        return Trial(step, loss, float(gradient.dot(direction)), gradient)
