"""Gain over guessing: how much more leaks than by the best blind guess, which is one for all samples of a group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import betainc

from fedleak.results.row import Row
from fedleak.statistics.group import bounds_of
from fedleak.statistics.intervals import TAIL, Interval, Units, of_mean
from fedleak.statistics.samples import Samples, hit_or_miss

LUCK = TAIL / 2
"""The level of a test against guesses that were themselves counted: their luck doubles the variance of the difference,
so at this level it errs in at most 5% of runs in which guessing hits as often."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What a group leaks beyond guessing; positive is more leakage, also where a lower value leaks more."""

    mean: float
    """Mean over messages of the mean over their samples that have a guess; NaN where none has."""
    interval: Interval
    beats_guessing: bool | None
    """Whether guessing alone would hardly do as well; None where there are too few messages to tell."""
    leaked: int
    """Samples at the threshold or past it that beat every blind guess and every oracle reference for them too."""


def gain_of(rows: Sequence[Row], samples: Samples, *, threshold: float, margin: float) -> Gain:
    """The gain of a group's rows and their samples."""
    pairs = samples.guessed()
    places, place, sizes = np.unique(pairs.message, return_inverse=True, return_counts=True)
    gains = np.bincount(place, weights=pairs.gains, minlength=len(places)) / sizes
    units = Units.of(gains.tolist(), [rows[place].seed for place in places])
    interval = of_mean(units, _bounds(rows, pairs))
    return Gain(
        mean=float(gains.mean()) if len(gains) else math.nan,
        interval=interval,
        beats_guessing=_beats(rows[0].unit, pairs, units, interval),
        leaked=int(samples.leaked(threshold, margin).sum()),
    )


def more_hits_than_guessing(
    hits: Float64[np.ndarray, " trials"], guesses: Float64[np.ndarray, " trials"]
) -> bool | None:
    """A one-sided exact binomial test at 1.25%; None where even hits alone would not pass it.

    The chance of a hit is that of the guesses, with one hit and one miss added (Laplace's rule of succession): what
    guessing hits of a few is luck too, and against guesses that had none a single hit would prove everything.
    """
    trials, found = len(hits), float(hits.sum())
    chance = (float(guesses.sum()) + 1) / (trials + 2)
    if chance**trials > LUCK:
        return None
    return found > 0 and float(betainc(found, trials - found + 1, chance)) <= LUCK


def _bounds(rows: Sequence[Row], pairs: Samples) -> tuple[float, float]:
    """The least and the greatest gain that there can be over such guesses."""
    ends = [pairs.sign * (bound - pairs.guesses) for bound in bounds_of(rows[0].metric, rows)]
    return float(np.min(ends, initial=math.inf)), float(np.max(ends, initial=-math.inf))


def _beats(unit: str, pairs: Samples, units: Units, interval: Interval) -> bool | None:
    by_interval = None if math.isnan(interval.low) else interval.low > 0
    one_each = len(pairs.values) == int(units.sizes.sum())
    if not one_each or not hit_or_miss(unit, pairs.values):
        return by_interval
    exact = more_hits_than_guessing(pairs.values, pairs.guesses)
    return exact if len(units) == len(pairs.values) else exact and by_interval  # messages of a seed go together
