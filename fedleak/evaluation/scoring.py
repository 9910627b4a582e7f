"""Scoring: compares guesses with the truth, once an attack is over; nothing that attacks can import this."""

import math
from collections.abc import Sequence

from fedleak.contracts.metric import Metric
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.evaluation.apply_metric import Guess, Measured, measure
from fedleak.evaluation.challenge import Challenge
from fedleak.evaluation.matching import NO_GUESS, finite, match, matched
from fedleak.learning.batch import Batch

__all__ = ["NOT_GUESSED", "NO_GUESS", "finite", "match", "matched", "score"]

NOT_GUESSED = Reconstruction.failed("no such guess was made")


def score(
    reconstruction: Reconstruction,
    truth: Batch,
    metrics: tuple[Metric, ...],
    prior: Reconstruction,
    no_gradient: Sequence[Reconstruction] = (),
    challenge: Challenge | None = None,
) -> list[Score]:
    """One score for each metric, beside the same metric of the baselines: the prior's, and the mean of `no_gradient`.

    Guessed images are first matched with the true ones; see `match`. A mean is over the true samples that a guess was
    matched with, also that of the baselines. Where there is nothing to compare the value is NaN, and `reason` says
    why. `challenge` says which candidates are behind the update, where the attack was asked about candidates.
    """
    guess, constant = Guess.of(reconstruction, truth), Guess.of(prior, truth)
    draws = [Guess.of(one, truth) for one in no_gradient]
    return [
        _score(
            metric,
            measure(metric, guess, truth, challenge),
            measure(metric, constant, truth, challenge),
            [measure(metric, draw, truth, challenge) for draw in draws],
        )
        for metric in metrics
    ]


def _over_the_same(measured: Measured, baseline: Measured) -> float:
    """A baseline's mean over the samples that the guess was scored on, or else guessing a few easy ones would pay."""
    if not measured.applicable or not baseline.per_sample:
        return baseline.mean
    pairs = zip(measured.per_sample, baseline.per_sample, strict=True)
    return Measured(tuple(other for value, other in pairs if not math.isnan(value))).mean


def _score(metric: Metric, measured: Measured, prior: Measured, draws: list[Measured]) -> Score:
    best, worst = (max, min) if metric.higher_is_better else (min, max)
    return Score(
        metric=metric.name,
        value=measured.mean,
        best=best(measured.applicable, default=math.nan),
        worst=worst(measured.applicable, default=math.nan),
        per_sample=measured.per_sample,
        blind_per_sample=_better(metric, len(measured.per_sample), prior, draws),
        baseline=_over_the_same(measured, prior),
        no_gradient=Measured(tuple(_over_the_same(measured, draw) for draw in draws)).mean,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        reason=measured.reason,
        applicable=measured.fits,
    )


def _better(metric: Metric, samples: int, prior: Measured, draws: list[Measured]) -> tuple[float, ...]:
    """For each sample the better guess without the update: the prior's, or the draws' on average."""
    better = max if metric.higher_is_better else min
    drawn = [Measured(tuple(draw.per_sample[i] for draw in draws if draw.per_sample)).mean for i in range(samples)]
    constant = prior.per_sample[:samples] or (math.nan,) * samples  # nothing where the attack failed
    pairs = zip(constant, drawn, strict=True)
    return tuple(better((one for one in pair if not math.isnan(one)), default=math.nan) for pair in pairs)
