"""Linear models of log odds, fitted to answers of a service that is one."""

import pytest
import torch
import torch.nn.functional as F

from fedleak.attacks.parts.model_inversion.log_odds import least_squares, likelihood
from fedleak.attacks.parts.model_inversion.objective import Objective
from fedleak.randomness import generator

DIMENSIONS, CLASSES = 4, 3


@pytest.fixture
def slopes():
    return torch.randn(DIMENSIONS, CLASSES, generator=generator("slopes")).double()


def asked(count):
    return torch.randn(count, DIMENSIONS, generator=generator("points")).double()


def alike(fitted, slopes):
    """The least cosine of a class's fitted slope and the true one, up to what all classes have in common."""
    own, true = (value - value.mean(1, keepdim=True) for value in (fitted, slopes))
    return float(F.cosine_similarity(own, true, dim=0).min())


def test_of_exact_answers_few_are_enough(slopes):
    points = asked(3 * DIMENSIONS)
    model = least_squares(points, (3 * points @ slopes).softmax(1), torch.zeros(2, DIMENSIONS).double())
    assert alike(model.slopes[0], slopes) > 0.99
    assert torch.equal(model.slopes[0], model.slopes[1])


def test_labels_alone_tell_the_slopes_where_there_are_many(slopes):
    points = asked(500)
    labels = F.one_hot((points @ slopes).argmax(1), CLASSES).double()
    assert alike(likelihood(points, labels, 0.0, 1).slopes[0], slopes) > 0.98


def test_what_is_hidden_is_not_taken_for_nothing(slopes):
    """Answers below a half are not shown: a row of zeros then says nothing, and the rest as much as before."""
    points = asked(500)
    exact = (points @ slopes).softmax(1)
    shown = torch.where(exact >= 0.5, exact, 0.0)
    model = likelihood(points, shown, 0.0, 1)
    assert alike(model.slopes[0], slopes) > 0.98
    without = likelihood(points[shown.any(1)], shown[shown.any(1)], 0.0, 1)
    assert torch.allclose(model.slopes, without.slopes, atol=1e-2)


def test_noise_below_what_can_be_told_from_it_does_not_count(slopes):
    points = asked(500)
    noise = 0.2 * torch.randn(500, CLASSES, generator=generator("noise")).double()
    answers = ((3 * points @ slopes).softmax(1) + noise).clamp(0, 1)
    assert alike(likelihood(points, answers, 0.2, 1).slopes[0], slopes) > 0.95


def test_without_answers_every_class_is_like_the_mean():
    model = likelihood(asked(0), torch.zeros(0, CLASSES).double(), 0.0, 2)
    best = model.best((0, 2), Objective(cap=10.0, prior=0.4))
    assert torch.equal(best, torch.zeros(2, DIMENSIONS).double())


def test_the_best_point_is_where_the_slope_is_as_steep_as_the_prior():
    """One class against another along one axis, far from the cap: the slope over the prior's weight."""
    points = torch.tensor([[-1.0], [1.0], [0.0]]).double()
    answers = torch.cat([0.5 * points, -0.5 * points], 1).softmax(1)
    model = least_squares(points, answers, torch.zeros(1, 1).double())
    slope = float(model.slopes[0, 0, 0] - model.slopes[0, 0, 1])
    best = model.best((0,), Objective(cap=10.0, prior=0.5))
    assert float(best) == pytest.approx(slope / 0.5, rel=0.1)
    assert float(model.best((0,), Objective(cap=10.0, prior=0.5), 0.3)) == pytest.approx(0.3, rel=1e-6)
