"""Nearest distances do not depend on how queries come, are exact where rows are near, and no class is another's."""

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import shapiro

from fedleak.defenses.parts import nearest_distances
from fedleak.defenses.parts.nearest_distances import NearestDistances, shapiro_wilk
from fedleak.randomness import generator

INPUTS = torch.randn(400, 5, generator=generator("inputs"))
SAID = torch.rand(400, 3, generator=generator("said"))


def followed(inputs, said, *parts):
    found, first = NearestDistances(tuple(inputs.shape[1:])), 0
    for count in parts or [len(inputs)]:
        found.follow(inputs[first : first + count], said[first : first + count])
        first += count
    return found


@pytest.mark.slow
@pytest.mark.parametrize("parts", [[1] * 400, [0, 7, 120, 273], [399, 1]], ids=["one by one", "in parts", "two"])
def test_scores_are_the_same_however_many_come_at_once(parts):
    found = followed(INPUTS, SAID, *parts)
    assert len(found) == 400
    assert torch.equal(found.scores.rows, followed(INPUTS, SAID).scores.rows)
    assert found.scores.rows[-1] > 0


@pytest.mark.parametrize("block", [1, 3, 64])
def test_scores_are_the_same_however_many_are_worked_out_at_once(monkeypatch, block):
    expected = followed(INPUTS, SAID).scores.rows
    monkeypatch.setattr(nearest_distances, "BLOCK", block)
    assert torch.equal(followed(INPUTS, SAID).scores.rows, expected)


@pytest.mark.parametrize("moved", [0.0, 1000.0])
@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_the_distance_to_the_nearest_before_is_that_of_the_difference(moved, scale):
    inputs = moved + scale * INPUTS  # of steps as small as what is left of a number beside a thousand
    said = torch.ones(400, 1)
    away = torch.cdist(inputs.double(), inputs.double(), compute_mode="donot_use_mm_for_euclid_dist")
    nearest = torch.stack([away[place, :place].min() for place in range(1, 30)]).float()
    found = followed(inputs, said)._distances.rows[:29]
    assert found[0] == nearest[0]
    assert (found >= nearest * (1 - 1e-6)).all(), "not all before are kept"
    assert (found / nearest - 1).abs().median() < 1e-6


def test_a_row_that_was_kept_before_is_at_no_distance_at_all():
    inputs = torch.cat([INPUTS[:50], INPUTS[:50]])
    kept_first = followed(inputs, torch.ones(100, 1))._distances.rows
    assert kept_first[49] == 0, "the first of a class is always kept"
    assert (kept_first == 0).sum() > 25


def test_a_class_that_nobody_was_in_adds_no_distance():
    said = torch.eye(4)[[0, 1, 2, 0, 1, 3]]
    assert len(followed(INPUTS[:6], said)._distances) == 2


@pytest.mark.parametrize("count", [6, 7, 101, 1000, 5000])
@pytest.mark.parametrize("kind", ["normal", "exponential", "random"])
def test_shapiro_s_and_wilk_s_w_is_scipy_s(count, kind):
    values = np.sort(getattr(np.random.default_rng(count), kind)(size=count))
    assert shapiro_wilk(values) == pytest.approx(shapiro(values).statistic, abs=1e-8)


def test_w_is_the_same_for_a_shifted_and_stretched_sample():
    values = np.sort(np.random.default_rng(0).exponential(size=200))
    assert shapiro_wilk(1e6 + 1e-3 * values) == pytest.approx(shapiro_wilk(values), abs=1e-6)


def test_expected_values_of_a_normal_distribution_look_normal():
    assert shapiro_wilk(ndtri((np.arange(1, 501) - 0.375) / 500.25)) == pytest.approx(1, abs=1e-3)
