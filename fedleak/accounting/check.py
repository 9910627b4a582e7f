"""What attacks did against what can be done at most: a result that beats its bound is a bug of the run."""

from collections.abc import Sequence
from dataclasses import dataclass

from fedleak.accounting.guarantee import Guarantee
from fedleak.accounting.reconstruction_robustness import gaussian_success
from fedleak.errors import BoundError
from fedleak.statistics.intervals import Interval, clopper_pearson
from fedleak.statistics.shares import share_interval


@dataclass(frozen=True, kw_only=True)
class Check:
    """A measured share of successes beside its bound."""

    bound: float
    """At the prior; NaN where no blind guess was made."""
    bound_at_most: float
    """At the upper confidence limit of the prior: few blind guesses that all fail do not make success impossible."""
    measured: float
    interval: Interval
    prior: float
    guarantee: Guarantee

    @property
    def beaten(self) -> bool:
        """Whether the lower confidence limit of what was measured is above what the bound can be at most."""
        return self.interval.low > self.bound_at_most

    @property
    def sentence(self) -> str:
        """`12% succeeded (3% to 31%), at most 40% can: local-dp: ...`."""
        interval = f"{self.interval.low:.3g} to {self.interval.high:.3g}, {self.interval.method}"
        return (
            f"success {self.measured:.3g} ({interval}), {self.prior:.3g} by blind guesses; no attack exceeds "
            f"{self.bound:.3g} ({self.bound_at_most:.3g} where the prior is uncertain) under {self.guarantee.sentence}"
        )

    def require(self) -> None:
        """Raises `BoundError` where the bound is beaten."""
        if self.beaten:
            raise BoundError(
                f"a result beats a proven bound, so the noise, the accounting or the scoring of this run is wrong: "
                f"{self.sentence}"
            )


def check_success(
    guarantee: Guarantee,
    *,
    hits: Sequence[int],
    sizes: Sequence[int],
    seeds: Sequence[int],
    blind_hits: int,
    blind_trials: int,
    rounds: int = 1,
) -> Check:
    """The share of successes of an attack under a guarantee.

    For each message how many of its examples were reconstructed (PSNR above some threshold, say), how many it has, and
    its seed; then the same threshold for guesses that were made without the update, the best that are known. `rounds`
    is how many messages about the same examples the attack used.
    """
    trials = sum(sizes)
    shift = guarantee.over(rounds).shift
    prior = blind_hits / blind_trials if blind_trials else float("nan")
    most = clopper_pearson(float(blind_hits), blind_trials, "blind guesses").high if blind_trials else 1.0
    return Check(
        bound=gaussian_success(prior, shift) if blind_trials else float("nan"),
        bound_at_most=gaussian_success(most, shift),
        measured=sum(hits) / trials if trials else float("nan"),
        interval=share_interval(hits, sizes, seeds),
        prior=prior,
        guarantee=guarantee.over(rounds),
    )
