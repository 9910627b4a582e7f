"""One draw of a row of `rows.py`: the attack on one message or federation, and the figure that is published."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from measuring import Case, observed, trained_on
from papers import Setting
from torch import Tensor

from fedleak.api import attack, capture, score
from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.observation import Observation
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.evaluation import scoring
from fedleak.learning.batch import Batch
from fedleak.learning.training import train_locally
from fedleak.learning.update import Update, UpdateKind
from fedleak.learning.weights import Weights
from fedleak.randomness import generator

EXACT = 1e-3
"""Relative error of a batch that counts as exact: what float32 leaves of the gradient."""

RECOVERED = 19.0
"""PSNR in dB from which an image counts as recovered, as in Data Leakage in Federated Averaging."""


COLLECTED = 40.0
"""PSNR in dB from which an image counts as read from a sum."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What came of one draw; without a figure there is a failure that says why."""

    seed: int
    figure: float | None
    failure: str | None
    seconds: float
    """Processor time of the attack on one thread."""


def draw(setting: Setting, seed: int) -> Drawn:
    """The figure at a seed, which draws the examples and the weights."""
    if not setting.federation:
        return _guess(setting, seed)
    return _sources(setting, seed) if setting.figure == "source" else _collected(setting, seed)


def _guess(setting: Setting, seed: int) -> Drawn:
    observation, truth = observed(setting.case, seed)
    if setting.uniform:
        observation = _with_uniform_weights(observation, truth, setting.case, seed)
    chosen = attacks.build(setting.case.attack, setting.case.options)
    started = time.process_time()
    guess = chosen.run(observation, generator("attack", seed))
    seconds = time.process_time() - started
    value = math.nan if guess.failure else FIGURES[setting.figure](guess, truth, observation.task.classes)
    failure = guess.failure or ("the guess has nothing to compare" if math.isnan(value) else None)
    return Drawn(seed=seed, figure=None if failure else value, failure=failure, seconds=round(seconds, 3))


def _sources(setting: Setting, seed: int) -> Drawn:
    """The share of the clients' own examples that are taken for theirs, as a mean over the clients."""
    right, seconds = [], 0.0
    for message in capture(setting.case.task, seed=seed, **setting.federation):
        started = time.process_time()
        guess = attack(message, setting.case.attack, **setting.case.options)
        seconds += time.process_time() - started
        if guess.membership is None or message.challenge is None:
            reason = guess.failure or "the message has no candidates"
            return Drawn(seed=seed, figure=None, failure=reason, seconds=round(seconds, 3))
        right.append(float((guess.membership[message.challenge.members] > 0).double().mean()))
    return Drawn(seed=seed, figure=sum(right) / len(right), failure=None, seconds=round(seconds, 3))


def _collected(setting: Setting, seed: int) -> Drawn:
    """The share of the images of all clients that are read from the sum, exactly."""
    message = capture(setting.case.task, seed=seed, **setting.federation)[-1]
    started = time.process_time()
    guess = attack(message, setting.case.attack, seed=seed, **setting.case.options)
    seconds = round(time.process_time() - started, 3)
    if guess.failure:
        return Drawn(seed=seed, figure=None, failure=guess.failure, seconds=seconds)
    found = score(guess, message, ("psnr",))[0].per_sample
    right = statistics.mean(value >= COLLECTED for value in found)
    return Drawn(seed=seed, figure=right, failure=None, seconds=seconds)


def _with_uniform_weights(observation: Observation, truth: Batch, case: Case, seed: int) -> Observation:
    """The same examples seen from other weights: uniform in ±0.5, as in the code of DLG, then trained as asked for."""
    rng = generator("uniform weights", observation.task.name, seed)
    parameters = {
        name: torch.rand(value.shape, generator=rng, dtype=value.dtype) - 0.5
        for name, value in observation.before.parameters.items()
    }
    before = trained_on(observation.task, Weights(parameters, observation.before.buffers), case.epochs, seed)
    after = train_locally(observation.task, before, truth, observation.training, ("uniform", seed))
    change = {name: after.parameters[name] - value for name, value in before.parameters.items()}
    return replace(observation, before=before, update=Update(change, UpdateKind.DELTA))


def _metric(name: str) -> Callable[[Reconstruction, Batch, int], float]:
    def value(guess: Reconstruction, truth: Batch, classes: int) -> float:  # noqa: ARG001
        return scoring.score(guess, truth, (metrics.build(name, {}),), guess)[0].value

    return value


def _recovered(guess: Reconstruction, truth: Batch, classes: int) -> float:  # noqa: ARG001
    """The share of the images that are guessed at 19 dB or more."""
    found = scoring.score(guess, truth, (metrics.build("psnr", {}),), guess)[0].per_sample
    return statistics.mean(value >= RECOVERED for value in found) if found else math.nan


def _exact(guess: Reconstruction, truth: Batch, classes: int) -> float:  # noqa: ARG001
    if guess.inputs is None:
        return math.nan
    difference = scoring.matched(guess.inputs, truth).double() - truth.inputs.double()
    return float(difference.norm() < EXACT * truth.inputs.double().norm())


def _classes(guess: Reconstruction, truth: Batch, classes: int) -> float:
    """The share of all classes of which it is said rightly whether they are there."""
    named, there = _counts(guess, classes), torch.bincount(truth.labels, minlength=classes)
    return math.nan if named is None else float(((named > 0) == (there > 0)).double().mean())


def _right_counts(guess: Reconstruction, truth: Batch, classes: int) -> float:
    """The share of all classes that are counted rightly."""
    named, there = _counts(guess, classes), torch.bincount(truth.labels, minlength=classes)
    return math.nan if named is None else float((named == there).double().mean())


def _counts(guess: Reconstruction, classes: int) -> Int[Tensor, " classes"] | None:
    return None if guess.labels is None else torch.bincount(guess.labels, minlength=classes)


FIGURES: dict[str, Callable[[Reconstruction, Batch, int], float]] = {
    "psnr": _metric("psnr"),
    "images": _recovered,
    "label": _metric("label-recall"),
    "recall": _metric("label-recall"),
    "classes": _classes,
    "counts": _right_counts,
    "exact": _exact,
}
"""The figure of a guess, by name; "source" and "collected" are of a federation."""
