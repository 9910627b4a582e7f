"""Distance correlation: another formula for it, what leaves it as it is, and slopes where it has none."""

import numpy as np
import pytest
import torch

from fedleak.defenses.nopeek import NoPeek, distance_correlation
from fedleak.randomness import generator


def sample(words, *shape):
    return torch.randn(shape, generator=generator(words), dtype=torch.float64)


def by_sums(one, other):
    """The same by Székely's S1 + S2 - 2 S3, where nothing is centered."""

    def distances(rows):
        return np.array([[np.sqrt(((a - b) ** 2).sum()) for b in rows] for a in rows])

    def covariance(a, b):
        n = len(a)
        triples = sum(a[i, j] * b[i, k] for i in range(n) for j in range(n) for k in range(n))
        return (a * b).mean() + a.mean() * b.mean() - 2 * triples / n**3

    a, b = (distances(rows.flatten(1).numpy()) for rows in (one, other))
    return np.sqrt(covariance(a, b) / np.sqrt(covariance(a, a) * covariance(b, b)))


@pytest.mark.parametrize("mixed", [0.0, 0.3, 1.0])
def test_it_is_what_another_formula_gives(mixed):
    one = sample("one", 9, 2, 3)
    other = sample("other", 9, 5) + mixed * one.flatten(1)[:, :5].square()
    assert float(distance_correlation(one, other)) == pytest.approx(by_sums(one, other), abs=1e-12)


def test_moving_turning_and_scaling_leave_it_as_it_is():
    one, other = sample("one", 30, 4), sample("other", 30, 4) + sample("one", 30, 4).square()
    turned = torch.linalg.qr(sample("turn", 4, 4)).Q
    plain, moved = distance_correlation(one, other), distance_correlation(one @ turned - 5, 3.7 * other @ turned.T + 2)
    torch.testing.assert_close(moved, plain)
    torch.testing.assert_close(distance_correlation(other, one), plain)
    assert 0 < plain < 1


def test_it_is_one_of_the_same_and_falls_to_none_of_what_is_independent():
    one = sample("one", 400, 2)
    assert float(distance_correlation(one, 2 * one + 1)) == pytest.approx(1.0)
    assert float(distance_correlation(one, sample("other", 400, 2))) < 0.2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (sample("one", 5, 3), torch.ones(5, 4, dtype=torch.float64)),
        (torch.ones(5, 3, dtype=torch.float64), sample("one", 5, 4)),
        (sample("one", 1, 3), sample("other", 1, 4)),
    ],
    ids=["constant embedding", "constant columns", "one row"],
)
def test_of_what_is_constant_it_is_none_and_flat(one, other):
    other = other.clone().requires_grad_()
    found = distance_correlation(one, other)
    (slope,) = torch.autograd.grad(found, other)
    assert found == 0
    assert not slope.any()


def test_rows_that_are_the_same_have_a_slope_that_is_a_number():
    one, other = sample("one", 6, 3), sample("other", 6, 4)
    other[1] = other[0]
    other.requires_grad_()
    (slope,) = torch.autograd.grad(distance_correlation(one, other), other)
    assert slope.isfinite().all()
    assert slope.any()


def test_its_slope_is_that_of_differences():
    one, other = sample("one", 6, 3), sample("other", 6, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda embedding: NoPeek(weight=1.7).penalty(one, embedding), (other,))


def test_without_weight_there_is_no_penalty():
    assert NoPeek(weight=0.0).penalty(sample("one", 4, 2), sample("other", 4, 2)) is None
