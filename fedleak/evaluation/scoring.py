"""Scoring: compares guesses with the truth, once an attack is over; nothing that attacks can import this."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from fedleak.contracts.cut import Cut
from fedleak.contracts.metric import ExampleMetric, Metric
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.score import Score
from fedleak.contracts.view import View
from fedleak.evaluation.challenge import Challenge
from fedleak.evaluation.judges import judges_of
from fedleak.evaluation.references import nearest_public, single_color, threshold_of
from fedleak.goals.answer import Answer, Judges
from fedleak.goals.goals import GOALS, goal_of
from fedleak.goals.matching import NO_GUESS, finite, match, matched
from fedleak.goals.measured import Measured
from fedleak.learning.batch import Batch
from fedleak.learning.hidden import Hidden
from fedleak.learning.images import Images

__all__ = ["NOT_GUESSED", "NO_GUESS", "finite", "match", "matched", "score"]

NOT_GUESSED = Reconstruction.failed("no such guess was made")
Beside = Mapping[str, Sequence[Measured]]
"""What stands beside a figure, by name: one guess or reference, or several draws of it; nothing where there is none."""


def score(
    reconstruction: Reconstruction,
    truth: Batch,
    metrics: tuple[Metric, ...],
    prior: Reconstruction,
    no_access: Sequence[Reconstruction] = (),
    challenge: Challenge | None = None,
    *,
    class_mean: Reconstruction = NOT_GUESSED,
    public: Batch | None = None,
    unseen: Batch | None = None,
    seen: Batch | None = None,
    view: View | None = None,
    private: Batch | None = None,
    judges: Callable[[], Judges] | None = None,
    secret: str | None = None,
    payloads: tuple[Hidden, ...] = (),
) -> list[Score]:
    """One score for each metric, beside the same metric of the blind guesses and, for images, of the oracles.

    Blind guesses are the prior's, the mean of `no_access`, and `class_mean`. Oracles are the best single color and
    the nearest of the `public` examples of the task, whether the adversary holds it or not; how near these come to
    `unseen` ones makes the threshold of the task. Guessed images are first matched with the true ones; see `match`. A
    mean is over the true samples that a guess was matched with, also that of what stands beside it. Where there is
    nothing to compare the value is NaN, and `reason` says why. `challenge` says which candidates are behind the update,
    where the attack was asked about candidates. `seen` is the truth with NaN for what no client trained on, for metrics
    that judge the rest alone; None: all of it was seen. `view` is what the attack was shown, where it was asked about
    classes; `private` are the examples that these are compared with, None: the truth; `judges` those that say what a
    guess shows, None: those of the task's data set. `secret` is the one that a client typed into its text, if one did;
    `payloads` are what training code hid of each client.
    """
    answer = replace(_answer(truth, challenge, view, private, (prior, *no_access)), secret=secret, payloads=payloads)
    if judges is not None:
        answer = replace(answer, judges=judges)
    guess, constant, means = (_aligned(one, answer) for one in (reconstruction, prior, class_mean))
    draws = [_aligned(one, answer) for one in no_access]
    scores = []
    for metric in metrics:
        goal = goal_of(metric)
        of_seen = isinstance(metric, ExampleMetric) and metric.of_seen
        judged = replace(answer, truth=seen) if seen is not None and of_seen else answer
        measured = goal.measure(metric, guess, judged)
        beside = {
            "prior": [goal.measure(metric, constant, judged)],
            "no_access": [goal.measure(metric, draw, judged) for draw in draws],
            "class_mean": [goal.measure(metric, means, judged)] if metric.compares == "inputs" else [],
            **_oracles(metric, measured, judged.truth, public),
        }
        known = sum(one.known for one in answer.subjects) if metric.compares == "representatives" else 0
        scores.append(_score(metric, measured, beside, threshold_of(metric, public, unseen), known))
    return scores


def _answer(
    truth: Batch,
    challenge: Challenge | None,
    view: View | None,
    private: Batch | None,
    blind: Sequence[Reconstruction],
) -> Answer:
    answer = Answer(truth=truth, challenge=challenge, private=private)
    if view is None:
        return answer
    answer = replace(answer, hidden=view.hidden, format=view.secret, asked_property=view.property, shares=view.shares)
    if isinstance(view, Cut):
        pixels = view.places if isinstance(view.task.space, Images) and view.asks == "columns" else ()
        answer = replace(answer, places=pixels, hides_labels=view.asks == "labels")
    if not view.classes:
        return answer
    return replace(
        answer,
        classes=view.classes,
        public=view.auxiliary,
        blind=tuple(one.representatives for one in blind if one.representatives is not None),
        judges=partial(judges_of, view.task.source),
    )


def _aligned(made: Reconstruction, answer: Answer) -> Reconstruction:
    """The guess as metrics judge it."""
    for goal in GOALS.values():
        made = goal.aligned(made, answer)
    return made


def _oracles(metric: Metric, measured: Measured, truth: Batch, public: Batch | None) -> dict[str, list[Measured]]:
    """The references that look at the truth; none where no image was guessed."""
    if not isinstance(metric, ExampleMetric) or metric.compares != "inputs" or not measured.applicable:
        return {"single_color": [], "nearest_public": []}
    nearest = [] if public is None or not len(public) else [Measured.of(nearest_public(metric, truth, public))]
    color = [Measured.of(single_color(metric, truth))] if truth.space.neighbors else []
    return {"single_color": color, "nearest_public": nearest}


def _score(metric: Metric, measured: Measured, beside: Beside, threshold: float, known_classes: int) -> Score:
    best, worst = (max, min) if metric.higher_is_better else (min, max)
    means = {name: Measured(tuple(_over_the_same(measured, one) for one in ones)).mean for name, ones in beside.items()}
    each = {name: _each(ones, len(measured.per_sample)) for name, ones in beside.items()}
    low, high = metric.bounds_beside(means["prior"])
    return Score(
        metric=metric.name,
        value=measured.mean,
        best=best(measured.applicable, default=math.nan),
        worst=worst(measured.applicable, default=math.nan),
        per_sample=measured.per_sample,
        threshold=min(max(threshold, low), high),  # short secrets have fewer bits than leak elsewhere
        baseline=means["prior"],
        no_access=means["no_access"],
        class_mean=means["class_mean"],
        single_color=means["single_color"],
        nearest_public=means["nearest_public"],
        prior_per_sample=each["prior"],
        no_access_per_sample=each["no_access"],
        class_mean_per_sample=each["class_mean"],
        single_color_per_sample=each["single_color"],
        nearest_public_per_sample=each["nearest_public"],
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        reason=measured.reason,
        known_classes=known_classes,
        applicable=measured.fits,
    )


def _over_the_same(measured: Measured, baseline: Measured) -> float:
    """A baseline's mean over the samples that the guess was scored on, or else guessing a few easy ones would pay."""
    if not measured.applicable or not baseline.per_sample:
        return baseline.mean
    pairs = zip(measured.per_sample, baseline.per_sample, strict=True)
    return Measured(tuple(other for value, other in pairs if not math.isnan(value))).mean


def _each(beside: Sequence[Measured], samples: int) -> tuple[float, ...]:
    """For each sample the mean over the draws of one guess; nothing where the attack failed."""
    known = [one for one in beside if one.per_sample]
    return tuple(Measured(tuple(one.per_sample[i] for one in known)).mean for i in range(samples))
