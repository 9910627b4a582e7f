"""Privacy auditing with one run: many canaries, each in or out (or of one sign or the other) by a coin of its own.

`guesses` of the coins are made, on those canaries that the attacker is surest of; `correct` of them are right.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from fedleak.accounting.gaussian import crossing, epsilon_of

_MOST = 64.0
"""Above any epsilon, and any mu, that so few guesses can show."""
_TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """What came of guessing coins in one run."""

    canaries: int
    guesses: int
    correct: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.guesses <= self.canaries:
            raise ValueError(f"expected correct <= guesses <= canaries, got {self}")


def p_value(found: Guesses, epsilon: float, delta: float) -> float:
    """How likely so many correct guesses are, at most, where the run is (epsilon, delta)-private for each canary.

    With W ~ Binomial(guesses, 1 / (1 + exp(-epsilon))) that is P(W >= v) + 2 m delta max_i P(v > W >= v - i) / i.
    Source: Steinke, Nasr and Jagielski 2023, theorem 5.2, https://arxiv.org/abs/2305.08846.
    """
    right = 1 / (1 + np.exp(-epsilon))
    tail = binom.sf(found.correct - 1, found.guesses, right)
    if not delta or not found.correct:
        return float(min(tail, 1.0))
    places = np.arange(1, found.correct + 1)
    below = np.cumsum(binom.pmf(found.correct - places, found.guesses, right))
    return float(min(tail + 2 * found.canaries * delta * np.max(below / places), 1.0))


def least_epsilon(found: Guesses, delta: float, confidence: float) -> float:
    """The run is not (epsilon, delta)-private for any epsilon below this, whatever the mechanism."""
    return _least(lambda epsilon: p_value(found, epsilon, delta) > 1 - confidence)


def least_mu(found: Guesses, confidence: float) -> float:
    """The run is not mu-GDP for any mu below this.

    Were it, the chances of c and more correct guesses could not be what they would have to be: they are followed down
    from c to 0 and then exceed all that there is. Source: Mahloujifar, Melis and Chaudhuri 2024, algorithm 3,
    https://arxiv.org/abs/2410.22235.
    """
    return _least(lambda mu: not _refuted(found, mu, 1 - confidence))


def least_normal_epsilon(found: Guesses, delta: float, confidence: float) -> float:
    """`least_mu` as an epsilon."""
    return epsilon_of(delta, least_mu(found, confidence))


def _refuted(found: Guesses, mu: float, significance: float) -> bool:
    """Whether a mu-GDP mechanism has so many correct guesses less often than the significance says."""
    correct = significance * found.correct / found.canaries
    wrong = significance * (found.guesses - found.correct) / found.canaries
    for place in range(found.correct - 1, -1, -1):
        least = float(ndtr(ndtri(min(correct, 1.0)) - mu))
        if least <= wrong:
            break  # and so it stays
        correct += place / (found.guesses - place) * (least - wrong)
        wrong = least
    return correct + wrong > found.guesses / found.canaries


def _least(possible: Callable[[float], bool]) -> float:
    """The least figure that is possible; figures above are as well."""
    if possible(0.0):
        return 0.0
    return crossing(lambda value: -1.0 if possible(value) else 1.0, 0.0, _MOST, _TOLERANCE) - _TOLERANCE
