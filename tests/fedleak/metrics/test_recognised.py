"""Recognised: both judges and the distance; what fools judges alone is not recognised."""

from dataclasses import dataclass, replace
from functools import partial
from math import isnan

import pytest
import torch

from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.data.splits import load
from fedleak.evaluation.judges import judges_from, judges_of
from fedleak.goals.answer import Answer, Judges, Subject
from fedleak.goals.goals import GOALS
from fedleak.goals.representatives import RepresentativeMetric
from fedleak.learning.batch import Batch, class_means
from fedleak.randomness import generator
from fedleak.tasks import source_of

PRIVATE = Batch(torch.rand(6, 1, 6, 6, generator=generator("private")), torch.full((6,), 3))
FAR, NEAR = torch.zeros(1, 6, 6), PRIVATE.inputs[0] * 0.99


@dataclass(frozen=True)
class Panel:
    """Judges who always say the same."""

    verdicts: tuple[bool, ...] = (True, True)
    doubt: None = None

    def know(self, label: int) -> bool:
        return True

    def convinced(self, image: torch.Tensor, label: int) -> tuple[bool, ...]:
        return self.verdicts


def subject(*verdicts: bool, known: bool = False) -> Subject:
    def panel() -> Judges:
        return Panel(verdicts)

    blind = torch.stack([PRIVATE.inputs.mean(0), FAR])
    return Subject(label=3, private=PRIVATE, blind=blind, known=known, judges=panel)


def value(name: str, guess: torch.Tensor, own: Subject) -> float:
    metric = metrics.build(name, {})
    assert isinstance(metric, RepresentativeMetric)
    return metric.per_class(guess, own)


@pytest.mark.parametrize(
    ("verdicts", "guess", "known", "recognised", "judged"),
    [
        ((True, True), NEAR, False, 1, 1),
        ((True, False), NEAR, False, 0, 0),
        ((False, True), NEAR, False, 0, 0),
        ((True, True), FAR, False, 0, 1),
        ((True, True), NEAR, True, 0, 1),
    ],
)
def test_both_judges_and_the_distance_and_something_to_gain_are_asked_for(
    verdicts: tuple[bool, bool], guess: torch.Tensor, known: bool, recognised: int, judged: int
) -> None:
    own = subject(*verdicts, known=known)
    assert (value("recognised", guess, own), value("judged", guess, own)) == (recognised, judged)


def test_a_blind_guess_is_never_recognised() -> None:
    own = subject(True, True)
    assert [value("recognised", guess, own) for guess in own.blind] == [0, 0]
    assert value("recognised", PRIVATE.inputs[1], replace(own, blind=own.blind[:0])) == 1  # nothing to beat


def test_real_examples_of_a_class_are_recognised_and_the_mean_public_image_is_not() -> None:
    splits = load("digits-mlp")
    lacking = [0, 1, 2, 3, 4]
    others = splits.auxiliary[torch.nonzero(splits.auxiliary.labels > 4).flatten()]
    means = class_means(others, torch.tensor(lacking))
    found = []
    for label, mean in zip(lacking, means, strict=True):
        own = splits.clients[torch.nonzero(splits.clients.labels == label).flatten()]
        judges = partial(judges_of, source_of("digits-mlp"))
        asked = Subject(label=label, private=own, blind=mean[None], known=False, judges=judges)
        found += [(value("recognised", own.inputs.mean(0), asked), value("recognised", mean, asked))]
    assert found == [(1.0, 0.0)] * 5


def test_a_class_that_judges_see_in_the_mean_public_image_or_never_saw_has_no_figure() -> None:
    """Of all digits but 8 the mean looks like an 8 to them, and with more contrast it is nearer to real ones."""
    splits = load("digits-mlp")
    others = splits.auxiliary[torch.nonzero(splits.auxiliary.labels != 8).flatten()]
    mean = class_means(others, torch.tensor([8]))[0]
    harsher = ((mean - mean.mean()) * 1.3 + mean.mean()).clamp(0, 1)
    own = splits.clients[torch.nonzero(splits.clients.labels == 8).flatten()]
    answer = Answer(truth=own, classes=(8,), public=others, blind=(mean[None],))
    made = Reconstruction(representatives=harsher[None])
    for judges, why in (
        (judges_of(source_of("digits-mlp")), "the judges take what is guessed of class 8 without access for one of it"),
        (judges_from(others), "the judges never saw class 8"),
    ):
        measured = GOALS["representatives"].measure(
            metrics.build("recognised", {}), made, replace(answer, judges=lambda judges=judges: judges)
        )
        assert isnan(measured.per_sample[0])
        assert why in str(measured.reason)


def test_only_recognised_may_be_a_verdict() -> None:
    names = ("recognised", "judged", "class-ssim", "nearest-private")
    assert [metrics.get(name).speaks for name in names] == [True, False, False, False]
