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
    threshold: float = math.nan
    """From where on a sample counts as leaked in this task; see `fedleak.evaluation.references`."""
    baseline: float = math.nan
    """The same metric for the prior: the best constant guess without the update."""
    no_access: float = math.nan
    """The same metric for the same knowledge with the channel cut; its goal says what guesses. NaN without any."""
    class_mean: float = math.nan
    """Of images: the same for the mean public image of each label that was inferred; NaN where there is none."""
    single_color: float = math.nan
    """An oracle, of images: the same for the best patch of one color, which only the truth can choose."""
    nearest_public: float = math.nan
    """An oracle, of images: the same for the nearest public example, which only the truth can choose."""
    prior_per_sample: tuple[float, ...] = ()
    """What stands beside each sample, in its order, from each of these; NaN where there is nothing."""
    no_access_per_sample: tuple[float, ...] = ()
    class_mean_per_sample: tuple[float, ...] = ()
    single_color_per_sample: tuple[float, ...] = ()
    nearest_public_per_sample: tuple[float, ...] = ()
    unit: str
    higher_is_better: bool
    """Better for the attacker."""
    reason: str | None = None
    applicable: bool = True
    """False where the metric cannot judge what the attack guesses, or such data."""
    known_classes: int = 0
    """Of classes that were asked about: how many the public data has examples of, where nothing was to be gained."""
