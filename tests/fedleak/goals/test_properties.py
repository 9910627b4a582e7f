"""Which share of all training data has a property: one question, one answer, and the figures that belong to it."""

import math
from dataclasses import replace

import pytest
import torch

from fedleak.contracts.metric import Metric, metrics
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.data.splits import load
from fedleak.goals.answer import Answer
from fedleak.goals.goals import GOALS
from fedleak.goals.properties import nearest
from fedleak.learning.having import having
from fedleak.randomness import generator
from fedleak.tasks import task_of, weights_of

GOAL = GOALS["properties"]
PATIENTS = load("diabetes-mlp").clients
HAS = having(PATIENTS, "sex=2", "here")


def answer(with_it: int, without: int, shares: tuple[float, ...] = (0.3, 0.6)) -> Answer:
    places = torch.cat([HAS.nonzero()[:with_it, 0], (~HAS).nonzero()[:without, 0]])
    return Answer(truth=PATIENTS[places], asked_property="sex=2", shares=shares)


def measured(metric: str, guess: list[float], of: Answer) -> float:
    built: Metric = metrics.build(metric, {})
    return GOAL.measure(built, Reconstruction(properties=torch.tensor(guess)), of).mean


def test_the_nearest_share_is_right() -> None:
    assert measured("property-accuracy", [0.8, 0.2], answer(6, 14)) == 1.0
    assert measured("property-accuracy", [0.8, 0.2], answer(12, 8)) == 0.0
    assert measured("property-accuracy", [0.8, 0.2], answer(8, 12)) == 1.0  # .4 is nearer to .3
    assert measured("property-accuracy", [0.1, 0.2, 0.7], answer(16, 4, (0.2, 0.5, 0.8))) == 1.0


def test_who_does_not_decide_is_right_in_part() -> None:
    assert measured("property-accuracy", [0.5, 0.5], answer(6, 14)) == 0.5
    assert measured("property-accuracy", [0.4, 0.4, 0.2], answer(4, 16, (0.2, 0.5, 0.8))) == 0.5


def test_of_two_shares_brier_is_that_of_the_second() -> None:
    for second in (0.0, 0.25, 0.5, 1.0):
        assert measured("property-brier", [1 - second, second], answer(12, 8)) == pytest.approx((1 - second) ** 2)


def test_the_error_is_from_the_mean_share_to_the_true_one() -> None:
    assert measured("share-error", [1.0, 0.0], answer(6, 14)) == pytest.approx(0.0)
    assert measured("share-error", [0.5, 0.5], answer(6, 14)) == pytest.approx(0.15)
    assert measured("share-error", [0.0, 1.0], answer(8, 12)) == pytest.approx(0.2)


def test_shares_swapped_with_their_probabilities_change_nothing() -> None:
    for metric in ("property-accuracy", "property-brier", "share-error"):
        one = measured(metric, [0.7, 0.3], answer(7, 13))
        assert one == pytest.approx(measured(metric, [0.3, 0.7], answer(7, 13, (0.6, 0.3))))


def test_no_answer_is_no_figure() -> None:
    found = GOAL.measure(
        metrics.build("share-error", {}), Reconstruction(properties=torch.full((2,), math.nan)), answer(6, 14)
    )
    assert math.isnan(found.mean)
    assert found.reason == "the question had no answer"
    short = GOAL.measure(metrics.build("share-error", {}), Reconstruction(properties=torch.ones(3)), answer(6, 14))
    assert short.reason == "the attack says how probable 3 shares are of 2"


def test_of_a_batch_there_is_no_share() -> None:
    images = load("digits-mlp").clients[torch.arange(4)]
    found = GOAL.measure(
        metrics.build("share-error", {}), Reconstruction(properties=torch.ones(3)), Answer(truth=images)
    )
    assert not found.fits
    assert found.reason == "share-error judges shares of a property, and none was asked about"


def test_guesses_without_access_find_each_share_as_probable() -> None:
    task = task_of("diabetes-mlp")
    view = Released(task=task, weights=weights_of(task.network), property="sex=2", shares=(0.2, 0.3, 0.6, 0.9))
    for blind in (GOAL.prior, GOAL.no_access):
        assert blind(view, generator(0)).tolist() == [0.25] * 4  # type: ignore[union-attr]
        assert blind(replace(view, property="", shares=()), generator(0)) is None


def test_of_two_shares_as_near_the_first_is_the_nearest() -> None:
    shares = torch.tensor([0.25, 0.75], dtype=torch.float64)
    assert [nearest(shares, true) for true in (0.0, 0.5, 0.51, 1.0)] == [0, 0, 1, 1]
