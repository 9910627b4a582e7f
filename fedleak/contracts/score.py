"""Score: one figure of how much of the truth a guess got right, beside what guessing without the update gives."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Score:
    """The mean of a metric over the samples of a batch. NaN means not applicable, and `reason` says why."""

    metric: str
    value: float
    best: float = math.nan
    """The sample that leaked most."""
    worst: float = math.nan
    """The sample that leaked least."""
    per_sample: tuple[float, ...] = ()
    """In the order of the truth; NaN for a sample that no guess was matched to."""
    baseline: float = math.nan
    """The same metric for the prior: the best constant guess without the update."""
    no_gradient: float = math.nan
    """The same metric for public examples drawn at random; NaN where the adversary has none."""
    blind_per_sample: tuple[float, ...] = ()
    """For each sample the better, for the attacker, of the two guesses without the update; NaN where there is none."""
    unit: str
    higher_is_better: bool
    """Better for the attacker."""
    reason: str | None = None
    applicable: bool = True
    """False where the metric cannot judge what the attack guesses, or such data."""
