"""The expected number of draws against the coupon collector's closed form and against drawing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedleak.profile.activity import collector, expected_draws


@given(coupons=st.integers(1, 20), chance=st.floats(1e-6, 1.0))
def test_equal_chances_are_the_harmonic_number(coupons, chance):
    expected = sum(1 / i for i in range(1, coupons + 1)) / chance
    assert collector([chance] * coupons) == pytest.approx(expected, rel=1e-3)


def test_two_unequal_coupons_have_a_closed_form():
    p, q = 0.3, 0.01
    assert collector([p, q]) == pytest.approx(1 / p + 1 / q - 1 / (p + q), rel=1e-3)


def test_one_example_needs_one_draw():
    assert expected_draws(torch.tensor([[True, False, True]])) == pytest.approx(1.0, rel=1e-3)


def test_it_is_what_drawing_takes():
    dice = torch.Generator().manual_seed(0)
    active = torch.rand(3, 20, generator=dice) < 0.5
    counts = []
    for _ in range(400):
        found, draws = set(), 0
        while len(found) < 3:
            rows = torch.randperm(20, generator=dice)[:2]
            draws += 1
            found |= {i for i in range(3) if not active[i, rows].any()}
        counts.append(draws)
    mean = sum(counts) / len(counts)
    assert expected_draws(active) == pytest.approx(mean, rel=0.12)


def test_an_example_that_cannot_be_singled_out_takes_forever():
    always = torch.tensor([[True, True, True], [False, True, False]])
    assert expected_draws(always) == math.inf
    nothing = torch.tensor([[False, False, False], [True, False, True]])
    assert expected_draws(nothing) == math.inf
