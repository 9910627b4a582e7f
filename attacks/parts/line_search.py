"""How far to go along a direction: a step that satisfies the strong Wolfe conditions."""

import math
from collections.abc import Generator
from dataclasses import dataclass

from torch import Tensor

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


def _cubic_minimum(one: Trial, other: Trial) -> float:
    """Where the cubic through two losses and slopes is lowest; NaN where it has no minimum."""
    width = other.step - one.step
    if width == 0 or not (math.isfinite(one.loss) and math.isfinite(other.loss)):
        return math.nan
    bend = one.slope + other.slope - 3 * (other.loss - one.loss) / width
    square = bend * bend - one.slope * other.slope
    if not square >= 0:
        return math.nan
    root = math.copysign(math.sqrt(square), width)
    denominator = other.slope - one.slope + 2 * root
    return other.step - width * (other.slope + root - bend) / denominator if denominator else math.nan


def _height(trial: Trial) -> float:
    return trial.loss if math.isfinite(trial.loss) else math.inf
