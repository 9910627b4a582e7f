"""L-BFGS with a strong-Wolfe line search, for smooth objectives in float64."""

import math
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from .first_order import Evaluation, Optimizer, Trajectory

# Strong-Wolfe line search.

DECREASE = 1e-4
CURVATURE = 0.9


@dataclass(frozen=True)
class Trial:
    """A place along the direction: how far, the loss there, its slope along the direction, its whole gradient."""

    step: float
    loss: float
    slope: float
    gradient: Tensor


Search = Generator[float, Trial, Trial]
"""Yields how far along the direction it wants to look, is sent what is there, and returns the trial it settles on."""


def strong_wolfe(start: Trial, step: float, trials: int = 25) -> Search:
    """Settles on the first trial with enough decrease and a slope that is flat enough; else on the lowest.

    `step` is tried first. A loss that is not finite counts as too far. Source: algorithms 3.5 and 3.6 of Nocedal and
    Wright, https://doi.org/10.1007/978-0-387-40065-5
    """
    previous = lowest = start
    for number in range(trials):
        trial = yield step
        lowest = min(lowest, trial, key=_height)
        too_high = not trial.loss <= start.loss + DECREASE * step * start.slope
        if too_high or (number > 0 and trial.loss >= previous.loss):
            return (yield from _zoom(start, previous, trial, lowest, trials - number - 1))
        if abs(trial.slope) <= -CURVATURE * start.slope:
            return trial
        if trial.slope >= 0:
            return (yield from _zoom(start, trial, previous, lowest, trials - number - 1))
        farther = _cubic_minimum(previous, trial)
        step = min(max(farther, 1.1 * step), 10 * step) if math.isfinite(farther) else 2 * step
        previous = trial
    return lowest


def _zoom(start: Trial, low: Trial, high: Trial, lowest: Trial, trials: int) -> Search:
    """Narrows an interval that must hold a good step; `low` is its better end."""
    for _ in range(trials):
        trial = yield _inside(low, high)
        lowest = min(lowest, trial, key=_height)
        if not trial.loss <= start.loss + DECREASE * trial.step * start.slope or trial.loss >= low.loss:
            high = trial
        else:
            if abs(trial.slope) <= -CURVATURE * start.slope:
                return trial
            if trial.slope * (high.step - low.step) >= 0:
                high = low
            low = trial
        if abs(high.step - low.step) <= 1e-12 * max(low.step, high.step):
            break
    return lowest


def _inside(low: Trial, high: Trial) -> float:
    """The cubic's minimum, kept away from both ends; the middle where there is none."""
    left, right = min(low.step, high.step), max(low.step, high.step)
    margin = 0.1 * (right - left)
    minimum = _cubic_minimum(low, high)
    return min(max(minimum, left + margin), right - margin) if math.isfinite(minimum) else (left + right) / 2


def _cubic_minimum(near: Trial, far: Trial) -> float:
    """Where the cubic through two losses and slopes is lowest; NaN where it has no minimum."""
    width = far.step - near.step
    if width == 0 or not (math.isfinite(near.loss) and math.isfinite(far.loss)):
        return math.nan
    bend = near.slope + far.slope - 3 * (far.loss - near.loss) / width
    square = bend * bend - near.slope * far.slope
    if not square >= 0:
        return math.nan
    root = math.copysign(math.sqrt(square), width)
    denominator = far.slope - near.slope + 2 * root
    return far.step - width * (far.slope + root - bend) / denominator if denominator else math.nan


def _height(trial: Trial) -> float:
    return trial.loss if math.isfinite(trial.loss) else math.inf


Pair = tuple[Tensor, Tensor, float]
"""A step s, the change y of the gradient over it, and 1 / s·y."""


def lbfgs(history: int = 50, magnification: float = 1e6) -> Optimizer:
    """Quasi-Newton steps from the last `history` changes of the gradient; ends early where no step goes down.

    The loss is magnified for the optimizer's eyes only: the gradients of a matching loss are tiny, and the first step
    is as long as they are unless they are longer than 1. Not `torch.optim.LBFGS`: that one calls its objective, where
    here many starts are asked what they want evaluated. Source: https://doi.org/10.1007/BF01589116
    """

    def run(point: Tensor, steps: int) -> Trajectory:
        start_loss, gradient = yield 0, point
        loss, gradient = magnification * float(start_loss), magnification * gradient
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
) -> Generator[tuple[int, Tensor], Evaluation, Trial]:
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
    """The two-loop recursion: the inverse Hessian approximated by the pairs, times the gradient."""
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
