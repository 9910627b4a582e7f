"""ROCs: scikit-learn's curve where that has one value, pooled at equal rates of false alarms."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_curve

from fedleak.metrics.placement import Placement
from fedleak.randomness import generator
from fedleak.statistics.intervals import Units, of_mean
from fedleak.statistics.roc import Share, each, found_at, roc

OTHERS = 40
RATES = [count / OTHERS for count in range(1, OTHERS + 1)]


def scores(seed, *, levels=None, shift=0.7):
    rng = generator("scores", seed)
    members, others = torch.randn(30, generator=rng) + shift, torch.randn(OTHERS, generator=rng)
    return (members, others) if levels is None else ((members * levels).round(), (others * levels).round())


def sklearn_curve(members, others, rates):
    """Where scikit-learn's curve rises straight up its lower end is meant, so it is read just before."""
    truth = np.r_[np.ones(len(members)), np.zeros(len(others))]
    alarms, found, _ = roc_curve(truth, torch.cat([members, others]).numpy(), drop_intermediate=False)
    return np.interp(np.array(rates) - 1e-12, alarms, found)


@pytest.mark.parametrize("levels", [None, 1, 3])
def test_it_is_the_curve_of_scikit_learn(levels):
    members, others = scores(0, levels=levels)
    curve = roc([Placement.of(members, others)], RATES)
    assert [rate for rate, _ in curve] == RATES
    np.testing.assert_allclose([found for _, found in curve], sklearn_curve(members, others, RATES), atol=1e-9)


def test_what_is_above_all_others_is_found_at_every_rate():
    members, others = scores(1, shift=100.0)
    assert roc([Placement.of(members, others)], RATES) == tuple((rate, 1.0) for rate in RATES)


def test_equal_scores_lie_on_the_diagonal():
    curve = roc([Placement.of(torch.zeros(30), torch.zeros(OTHERS))], [0.001, *RATES])
    np.testing.assert_allclose([found for _, found in curve], [0.001, *RATES])


def test_cells_are_pooled_at_equal_rates_whatever_their_scores_are_like():
    cells = [scores(seed) for seed in range(3)]
    moved = [(members * 10**seed - seed, others * 10**seed - seed) for seed, (members, others) in enumerate(cells)]
    curves = [sklearn_curve(*cell, RATES) for cell in cells]
    for own in (cells, moved):
        curve = roc([Placement.of(*cell) for cell in own], RATES)
        np.testing.assert_allclose([found for _, found in curve], np.mean(curves, axis=0), atol=1e-9)


def test_a_share_is_the_mean_over_cells_with_an_interval_over_seeds():
    values = each([Placement.of(*scores(seed)) for seed in range(6)], found_at(0.1))
    share = Share.of(values, [0, 1, 2, 3, 4, 5], "model")
    interval = of_mean(Units.of(values, range(6)), (0.0, 1.0))
    assert share.mean == pytest.approx(np.mean(values))
    assert (share.interval.low, share.interval.high) == (interval.low, interval.high)
    assert share.words == f"{share.mean:.2f} ({interval.low:.2f} to {interval.high:.2f})"
    assert Share.of(values[:1], [0], "model").words == f"{values[0]:.2f}"
    assert Share.of(values[:1], [0], "model").interval.method == "too few: 1 model"
