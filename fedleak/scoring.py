"""Compares guesses with the truth, once an attack is over; nothing that attacks can import this."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from fedleak.batch import Batch
from fedleak.metric import Metric
from fedleak.reconstruction import Reconstruction
from fedleak.score import Score

NOT_GUESSED = Reconstruction.failed("no such guess was made")
NO_GUESS = -1
"""Stands for "no guess" where a place among the guesses, or a label, is expected."""


def score(
    reconstruction: Reconstruction,
    truth: Batch,
    metrics: tuple[Metric, ...],
    prior: Reconstruction,
    no_gradient: Sequence[Reconstruction] = (),
) -> list[Score]:
    """One score for each metric, beside the same metric of blind guesses: the prior's, and the mean of `no_gradient`.

    Guessed images are first matched with the true ones; see `match`. A mean is over the true samples that a guess was
    matched with, also that of the blind guesses. Where there is nothing to compare the value is NaN, and `reason` says
    why.
    """
    guess, constant = _Guess.of(reconstruction, truth), _Guess.of(prior, truth)
    draws = [_Guess.of(one, truth) for one in no_gradient]
    return [
        _score(
            metric,
            _measure(metric, guess, truth),
            _measure(metric, constant, truth),
            [_measure(metric, draw, truth) for draw in draws],
        )
        for metric in metrics
    ]


def _over_the_same(measured: "_Measured", blind: "_Measured") -> float:
    """A blind mean over the samples that the guess was scored on, or else guessing a few easy ones would pay."""
    if not measured.applicable or not blind.per_sample:
        return blind.mean
    pairs = zip(measured.per_sample, blind.per_sample, strict=True)
    return _Measured(tuple(other for value, other in pairs if not math.isnan(value))).mean


def matched(
    guess: Float[Tensor, "guesses channels height width"], truth: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, "batch channels height width"]:
    """The guessed images in the order of the true ones; an image of NaN where a true one has no guess."""
    places = match(guess, truth)
    ordered = torch.full(truth.shape, math.nan, dtype=guess.dtype)
    ordered[places != NO_GUESS] = guess.detach()[places[places != NO_GUESS]]
    return ordered


def match(
    guess: Float[Tensor, "guesses channels height width"], truth: Float[Tensor, "batch channels height width"]
) -> Int[Tensor, " batch"]:
    """For each true image the place of its guess, `NO_GUESS` where it has none.

    Pairs are one to one and minimise the sum of squared errors, guesses clamped to [0, 1] (Kuhn 1955, "The Hungarian
    method", https://doi.org/10.1002/nav.3800020109). Guesses that are not finite are matched with nothing.
    """
    usable = torch.nonzero(finite(guess)).flatten()
    candidates = guess.detach()[usable].double().clamp(0, 1).flatten(1)
    distance = torch.cdist(truth.double().flatten(1), candidates, compute_mode="donot_use_mm_for_euclid_dist")
    rows, columns = linear_sum_assignment(distance.square().numpy())
    places = torch.full((len(truth),), NO_GUESS)
    places[torch.from_numpy(rows)] = usable[torch.from_numpy(columns)]
    return places


def finite(images: Float[Tensor, "batch channels height width"]) -> Bool[Tensor, " batch"]:
    """Which images have neither NaN nor infinity."""
    return torch.isfinite(images).flatten(1).all(dim=1)


@dataclass(frozen=True)
class _Guess:
    """A reconstruction whose images are in the order of the truth."""

    inputs: Float[Tensor, "batch channels height width"] | None
    labels: Int[Tensor, " guesses"] | None
    failure: str | None

    @classmethod
    def of(cls, reconstruction: Reconstruction, truth: Batch) -> "_Guess":
        inputs = None if reconstruction.inputs is None else matched(reconstruction.inputs, truth.inputs)
        return cls(inputs, reconstruction.labels, reconstruction.failure or _surplus(reconstruction, truth))


def _surplus(reconstruction: Reconstruction, truth: Batch) -> str | None:
    """Why a guess of more than there is cannot be scored: the best of a thousand guesses says nothing."""
    for what, guesses in (("images", reconstruction.inputs), ("labels", reconstruction.labels)):
        if guesses is not None and len(guesses) > len(truth):
            return f"the attack guesses {len(guesses)} {what} for {len(truth)} examples; expected one for each at most"
    return None


@dataclass(frozen=True)
class _Measured:
    """A metric's value for each true sample, or why there is none."""

    per_sample: tuple[float, ...] = ()
    reason: str | None = None
    fits: bool = True
    """False where the metric cannot judge such a guess, or such data."""

    @property
    def applicable(self) -> list[float]:
        return [value for value in self.per_sample if not math.isnan(value)]

    @property
    def mean(self) -> float:
        return math.fsum(self.applicable) / len(self.applicable) if self.applicable else math.nan


def _score(metric: Metric, measured: _Measured, prior: _Measured, draws: list[_Measured]) -> Score:
    best, worst = (max, min) if metric.higher_is_better else (min, max)
    return Score(
        metric=metric.name,
        value=measured.mean,
        best=best(measured.applicable, default=math.nan),
        worst=worst(measured.applicable, default=math.nan),
        per_sample=measured.per_sample,
        blind_per_sample=_better(metric, len(measured.per_sample), prior, draws),
        baseline=_over_the_same(measured, prior),
        no_gradient=_Measured(tuple(_over_the_same(measured, draw) for draw in draws)).mean,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        reason=measured.reason,
        applicable=measured.fits,
    )


def _better(metric: Metric, samples: int, prior: _Measured, draws: list[_Measured]) -> tuple[float, ...]:
    """For each sample the better guess without the update: the prior's, or the draws' on average."""
    better = max if metric.higher_is_better else min
    drawn = [_Measured(tuple(draw.per_sample[i] for draw in draws if draw.per_sample)).mean for i in range(samples)]
    constant = prior.per_sample[:samples] or (math.nan,) * samples  # nothing where the attack failed
    pairs = zip(constant, drawn, strict=True)
    return tuple(better((one for one in pair if not math.isnan(one)), default=math.nan) for pair in pairs)


def _measure(metric: Metric, guess: _Guess, truth: Batch) -> _Measured:
    if guess.failure is not None:
        return _Measured(reason=guess.failure)
    unfit = metric.inapplicable(truth)
    if unfit is not None:
        return _Measured(reason=unfit, fits=False)
    if metric.compares == "labels":
        return _measure_labels(metric, guess.labels, truth)
    return _measure_inputs(metric, guess.inputs, truth)


def _measure_labels(metric: Metric, labels: Int[Tensor, " guesses"] | None, truth: Batch) -> _Measured:
    if labels is None:
        return _Measured(reason="the attack guesses no labels", fits=False)
    guess = Batch(torch.zeros(len(labels), *truth.inputs.shape[1:]), labels)
    return _Measured(tuple(metric.per_sample(guess, truth)))


def _measure_inputs(
    metric: Metric, inputs: Float[Tensor, "batch channels height width"] | None, truth: Batch
) -> _Measured:
    if inputs is None:
        return _Measured(reason="the attack guesses no images", fits=False)
    known = torch.nonzero(finite(inputs)).flatten()
    missing = len(truth) - len(known)
    if not len(known):
        return _Measured(reason="the attack guessed no image that is finite")
    guess = Batch(inputs[known], torch.full((len(known),), NO_GUESS))
    values = torch.full((len(truth),), math.nan, dtype=torch.float64)
    values[known] = torch.tensor(metric.per_sample(guess, truth[known]), dtype=torch.float64)
    reason = f"{missing} of {len(truth)} samples had no usable guess" if missing else None
    return _Measured(tuple(values.tolist()), reason)
