"""Representatives: blind guesses by what public data has of a class, and what a figure is of."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from fedleak.contracts.attack import attacks
from fedleak.contracts.metric import metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.evaluation.scoring import score
from fedleak.goals.answer import Answer, Subject
from fedleak.goals.representatives import RepresentativeMetric, Representatives
from fedleak.learning.batch import Batch
from fedleak.learning.task import Task
from fedleak.learning.weights import Weights
from fedleak.randomness import generator

GOAL = Representatives()
TASK = Task("tiny", nn.Sequential(nn.Flatten(), nn.Linear(36, 4)), (1, 6, 6), 4)
PUBLIC = Batch(torch.rand(12, 1, 6, 6, generator=generator("public")), torch.arange(12) % 2)
PRIVATE = Batch(torch.rand(12, 1, 6, 6, generator=generator("private")), torch.arange(12) % 3)
VIEW = Released(task=TASK, weights=Weights.of(TASK.network), auxiliary=PUBLIC, classes=(2, 0))


@dataclass(frozen=True, kw_only=True)
class Brightness(RepresentativeMetric):
    """The mean of the guess, which anybody can check."""

    name: ClassVar = "brightness"

    def per_class(self, guess: torch.Tensor, subject: Subject) -> float:
        return float(guess.mean())


def shown(guess: torch.Tensor, **changed: object) -> tuple[tuple[float, ...], str | None]:
    answer = Answer(truth=PRIVATE, **{"classes": (2, 0), **changed})  # type: ignore[arg-type]
    measured = GOAL.measure(Brightness(), Reconstruction(representatives=guess), answer)
    return measured.per_sample, measured.reason


def test_the_prior_is_the_mean_of_the_class_or_of_all_where_public_data_has_none_of_it() -> None:
    guess = GOAL.prior(VIEW, generator())
    assert guess is not None
    assert torch.allclose(guess, torch.stack([PUBLIC.inputs.mean(0), PUBLIC.inputs[PUBLIC.labels == 0].mean(0)]))


def test_without_access_an_example_is_drawn_of_the_class_where_public_data_has_it() -> None:
    draws = [GOAL.no_access(VIEW, generator(seed)) for seed in range(60)]
    places = [[int((PUBLIC.inputs == image).flatten(1).all(1).nonzero()) for image in guess] for guess in draws]
    assert {own for _, own in places} == {0, 2, 4, 6, 8, 10}
    assert {any_one for any_one, _ in places} == set(range(12))


def test_without_public_data_the_prior_is_gray_and_there_is_nothing_to_draw() -> None:
    bare = replace(VIEW, auxiliary=None)
    guess = GOAL.prior(bare, generator())
    assert guess is not None
    assert torch.equal(guess, torch.full((2, 1, 6, 6), 0.5))
    assert GOAL.no_access(bare, generator()) is None
    assert GOAL.no_access(replace(VIEW, auxiliary=PUBLIC[torch.zeros(0, dtype=torch.int64)]), generator()) is None


def test_nobody_guesses_who_was_not_asked() -> None:
    assert GOAL.prior(replace(VIEW, classes=()), generator()) is None
    assert GOAL.no_access(replace(VIEW, classes=()), generator()) is None


@pytest.mark.parametrize("name", ["prior", "no-access"])
def test_a_baseline_guesses_of_a_release_what_it_is_asked_and_nothing_of_an_update(name: str) -> None:
    made = attacks.build(name, {}).run(VIEW, generator(0))
    assert made.guesses.keys() == {"representatives"}
    asked = replace(VIEW, candidates=PRIVATE)
    assert attacks.build(name, {}).run(asked, generator(0)).guesses.keys() == {"membership", "representatives"}


def test_a_sample_is_a_class_that_was_asked_about_in_that_order() -> None:
    values, reason = shown(torch.stack([torch.zeros(1, 6, 6), torch.ones(1, 6, 6)]))
    assert (values, reason) == ((0.0, 1.0), None)


def test_a_class_without_an_image_or_without_private_examples_is_said_to_have_none() -> None:
    image = torch.ones(1, 6, 6)
    values, reason = shown(torch.stack([image, image * math.nan]))
    assert values[0] == 1
    assert math.isnan(values[1])
    assert reason == "1 of 2 classes had no usable image"
    values, reason = shown(torch.stack([image, image]), classes=(3, 0))
    assert math.isnan(values[0])
    assert reason == "no private example is of class 3"


def test_what_cannot_be_judged_says_why() -> None:
    images = torch.ones(2, 1, 6, 6)
    assert shown(images * math.nan)[1] == "the attack gave no image that is finite"
    assert shown(images[:1])[1] == "the attack shows 1 classes and was asked about 2"
    assert shown(images.flatten(1))[1] == "the attack gives images of shape (36,), and examples are of shape (1, 6, 6)"
    assert shown(images, classes=())[1] == "nothing tells which classes were asked about"
    sets = Batch(PRIVATE.inputs, torch.ones(12, 4, dtype=torch.int64))
    assert "a set of labels" in str(shown(images, private=sets)[1])


def test_where_public_data_has_the_class_that_is_said_and_counted() -> None:
    guess = Reconstruction(representatives=torch.rand(2, 1, 6, 6, generator=generator("guess")))
    chosen = (metrics.build("class-ssim", {}), metrics.build("psnr", {}))
    ssim, psnr = score(guess, PRIVATE, chosen, Reconstruction(), view=VIEW)
    assert (ssim.known_classes, psnr.known_classes) == (1, 0)
    assert ssim.reason == "public data has 1 of 2 classes, where nothing was to be gained"


def test_judges_are_not_asked_for_where_no_metric_wants_them() -> None:
    """The task has no data set, so whoever asks is refused."""
    guess = Reconstruction(representatives=torch.rand(2, 1, 6, 6, generator=generator("guess")))
    chosen = tuple(metrics.build(name, {}) for name in GOAL.metrics)
    rows = {row.metric: row for row in score(guess, PRIVATE, chosen, Reconstruction(), view=VIEW)}
    for name in ("class-ssim", "nearest-private"):
        assert not math.isnan(rows[name].value)
    for name in ("recognised", "judged"):
        assert math.isnan(rows[name].value)
        assert not rows[name].applicable
        assert "nothing to train judges on" in str(rows[name].reason)


def test_representatives_may_be_compared_with_more_than_the_truth_of_one_message() -> None:
    images = torch.ones(2, 1, 6, 6)
    own = PRIVATE[torch.nonzero(PRIVATE.labels == 1).flatten()]
    answer = Answer(truth=own, private=PRIVATE, classes=(2, 0))
    assert GOAL.measure(Brightness(), Reconstruction(representatives=images), answer).per_sample == (1.0, 1.0)
