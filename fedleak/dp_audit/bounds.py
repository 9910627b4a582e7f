"""Lower bounds on epsilon from an attacker's errors, by Clopper-Pearson: for any mechanism, for a normal one."""

import math
from dataclasses import dataclass

from scipy.stats import beta, norm


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How often a test says that a contribution is there, where it is and where it is not (or is another).

    Bounds hold where the test was fixed before it saw these trials.
    """

    hits: int
    """Said so, and it was."""
    positives: int
    false_alarms: int
    """Said so, and it was not."""
    negatives: int

    def __post_init__(self) -> None:
        if not (0 <= self.hits <= self.positives and 0 <= self.false_alarms <= self.negatives):
            raise ValueError(f"expected no more hits and false alarms than trials, got {self}")

    @property
    def turned(self) -> "Errors":
        """The test that says the opposite, about the opposite."""
        return Errors(
            hits=self.negatives - self.false_alarms,
            positives=self.negatives,
            false_alarms=self.positives - self.hits,
            negatives=self.positives,
        )


def least_rate(successes: int, trials: int, confidence: float) -> float:
    """The rate is at least this, by Clopper and Pearson's one-sided interval."""
    return float(beta.ppf(1 - confidence, successes, trials - successes + 1)) if successes else 0.0


def greatest_rate(successes: int, trials: int, confidence: float) -> float:
    """The rate is at most this, by Clopper and Pearson's one-sided interval."""
    return float(beta.ppf(confidence, successes + 1, trials - successes)) if successes < trials else 1.0


def least_epsilon(errors: Errors, delta: float, confidence: float) -> float:
    """Whatever the mechanism, it is not (epsilon, delta)-private for any epsilon below this.

    Such a mechanism has `TPR <= exp(epsilon) FPR + delta`, and the same with the two cases exchanged; each of the two
    rates has half of what the confidence leaves. Source: Nasr et al. 2021, https://arxiv.org/abs/2101.04535.
    """
    each = 1 - (1 - confidence) / 2
    true, false = _rates(errors, each)
    return max(0.0, _log_ratio(true - delta, false), _log_ratio(1 - false - delta, 1 - true))


def least_mu(errors: Errors, confidence: float) -> float:
    """The least mu of a mu-GDP mechanism at which a test can have such errors; 0 where it does no better than chance.

    Under one `TPR <= Φ(Φ⁻¹(FPR) + mu)`. Source: Nasr et al. 2023, https://arxiv.org/abs/2302.07956, section 5.
    """
    true, false = _rates(errors, 1 - (1 - confidence) / 2)
    if true in (0.0, 1.0) or false in (0.0, 1.0):
        return 0.0
    return max(0.0, float(norm.ppf(true) - norm.ppf(false)))


def _rates(errors: Errors, confidence: float) -> tuple[float, float]:
    true = least_rate(errors.hits, errors.positives, confidence)
    return true, greatest_rate(errors.false_alarms, errors.negatives, confidence)


def _log_ratio(one: float, other: float) -> float:
    return math.log(one / other) if one > 0 and other > 0 else 0.0
