"""Marvell: the optimum against another search for it, the noise that is drawn, and what there is for one class."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from fedleak.defenses.marvell import Marvell, least_divergence
from fedleak.errors import ConfigError
from fedleak.randomness import generator
from fedleak.tasks import task_of


def divergence(of_0, of_1, dimensions, noise):
    """KL there and back of two Gaussians as torch has it, with noise (along 0, across 0, along 1, across 1)."""
    along_0, across_0, along_1, across_1 = (torch.tensor(one, dtype=torch.float64) for one in noise)

    def class_of(mean, along, across, own):
        variances = torch.stack([along + own, *[across + own] * (dimensions - 1)])
        place = torch.zeros(dimensions, dtype=torch.float64).index_fill(0, torch.tensor(0), mean)
        return torch.distributions.Independent(torch.distributions.Normal(place, variances.sqrt()), 1)

    zero, one = class_of(0.0, along_0, across_0, of_0), class_of(1.0, along_1, across_1, of_1)
    kl = torch.distributions.kl_divergence
    return float(kl(zero, one) + kl(one, zero))


def power_of(dimensions, share, noise):
    each = [noise[0] + (dimensions - 1) * noise[1], noise[2] + (dimensions - 1) * noise[3]]
    return (1 - share) * each[0] + share * each[1]


def found(of_0, of_1, dimensions, share, power):
    best = least_divergence(of_0, of_1, dimensions, share, power)
    return (best.along[0], best.across[0], best.along[1], best.across[1])


VARIANCE = st.floats(-4, 0.5).map(lambda exponent: 10**exponent)
PROBLEMS = {
    "of_0": VARIANCE,
    "of_1": VARIANCE,
    "dimensions": st.integers(1, 40),
    "share": st.floats(0.05, 0.95),
    "power": st.floats(-2, 1.5).map(lambda exponent: 10**exponent),
}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(**PROBLEMS)
def test_it_never_tells_more_than_isotropic_noise_of_the_same_power(of_0, of_1, dimensions, share, power):
    noise = found(of_0, of_1, dimensions, share, power)
    assert min(noise) >= 0
    assert power_of(dimensions, share, noise) == pytest.approx(power, rel=1e-9)
    even = [power / dimensions] * 4
    assert divergence(of_0, of_1, dimensions, noise) <= divergence(of_0, of_1, dimensions, even) * (1 + 1e-9) + 1e-12
    assert noise[0] >= noise[1] - 1e-9 * power
    assert noise[2] >= noise[3] - 1e-9 * power


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(**PROBLEMS)
def test_power_is_moved_nowhere_with_a_gain(of_0, of_1, dimensions, share, power):
    """A convex problem in logarithms: what is the least in its surroundings is the least of all."""
    noise = np.array(found(of_0, of_1, dimensions, share, power))
    least = divergence(of_0, of_1, dimensions, noise)
    prices = np.array([1 - share, (1 - share) * (dimensions - 1), share, share * (dimensions - 1)])
    for away in range(4):
        for to in range(4):
            moved = noise.copy()
            taken = 1e-3 * moved[away]
            if prices[to] > 0 and prices[away] > 0 and taken > 0:
                moved[away] -= taken
                moved[to] += taken * prices[away] / prices[to]
                assert divergence(of_0, of_1, dimensions, moved) >= least * (1 - 1e-7) - 1e-10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of_0", "of_1", "dimensions", "share", "power"),
    [(0.02, 0.3, 16, 0.3, 1.0), (0.3, 0.02, 16, 0.3, 0.2), (0.05, 0.05, 8, 0.5, 4.0), (1e-3, 0.1, 1, 0.2, 0.5)],
)
def test_a_search_over_all_four_variances_finds_nothing_better(of_0, of_1, dimensions, share, power):
    noise = found(of_0, of_1, dimensions, share, power)
    mine, best = divergence(of_0, of_1, dimensions, noise), math.inf
    prices = np.array([1 - share, (1 - share) * (dimensions - 1), share, share * (dimensions - 1)])

    def of(parts):
        """Of the power in parts, which a softmax gives."""
        parts = np.exp(parts - parts.max())
        return parts / parts.sum() * power / np.maximum(prices, 1e-300) * (prices > 0)

    for seed in range(4):
        start = np.random.default_rng(seed).normal(size=4)
        result = minimize(
            lambda parts: divergence(of_0, of_1, dimensions, of(parts)), start, method="Nelder-Mead",
            options={"maxfev": 1500, "xatol": 1e-7, "fatol": 1e-11, "adaptive": True},
        )  # fmt: skip
        best = min(best, result.fun)
    assert mine <= best * (1 + 1e-7)
    assert mine == pytest.approx(best, rel=1e-3)


def batch(of_0, of_1, counts=(40, 24), dimensions=6):
    """Gradients of two classes, and their labels in some order."""
    rng = generator("batch", of_0, of_1)
    labels = torch.cat([torch.zeros(counts[0]), torch.ones(counts[1])]).long()[
        torch.randperm(sum(counts), generator=rng)
    ]
    spread = torch.tensor([of_0, of_1]).sqrt()[labels, None]
    slopes = spread * torch.randn(len(labels), dimensions, generator=rng)
    return slopes + labels[:, None] * torch.ones(dimensions) * 0.7, labels


@pytest.mark.slow
def test_what_is_drawn_has_the_variances_that_were_found_and_leaves_the_mean():
    slopes, labels = (one.double() if one.is_floating_point() else one for one in batch(0.05, 0.4, (4000, 2400)))
    noise = torch.stack([Marvell(power=2.0).slope(slopes, labels, generator(seed)) - slopes for seed in range(20)])
    classes = [slopes[labels == label] for label in (0, 1)]
    apart = classes[1].mean(0) - classes[0].mean(0)
    squared = float(apart.square().sum())
    of_0, of_1 = (float((own - own.mean(0)).square().mean()) for own in classes)
    best = least_divergence(of_0 / squared, of_1 / squared, 6, 24 / 64, 2.0)
    along = noise @ (apart / apart.norm())
    across = noise.square().sum(2) - along.square()
    for label in (0, 1):
        own = labels == label
        assert float(along[:, own].square().mean()) == pytest.approx(squared * best.along[label], rel=0.03)
        assert float(across[:, own].mean()) == pytest.approx(5 * squared * best.across[label], rel=0.03, abs=1e-12)
    assert float(noise.square().sum(2).mean()) == pytest.approx(2 * squared, rel=0.03)
    for label in (0, 1):
        own = noise[:, labels == label].flatten(0, 1)
        assert (own.mean(0).abs() < 5 * own.std(0) / math.sqrt(len(own))).all()


def test_no_power_and_no_difference_leave_it_as_it_was():
    slopes, labels = batch(0.1, 0.1)
    assert Marvell(power=0.0).slope(slopes, labels, generator(0)) is slopes
    same = torch.ones(8, 3)
    assert Marvell(power=1.0).slope(same, torch.arange(8) % 2, generator(0)) is same


@pytest.mark.parametrize("label", [0, 1])
def test_a_batch_of_one_class_has_all_noise_along_its_mean(label):
    slopes = torch.randn(40, 5, generator=generator("one class"), dtype=torch.float64) + 1
    labels = torch.full((40,), label)
    noise = torch.stack([Marvell(power=1.5).slope(slopes, labels, generator(seed)) - slopes for seed in range(60)])
    mean = slopes.mean(0)
    along = noise @ (mean / mean.norm())
    torch.testing.assert_close(noise, along[..., None] * mean / mean.norm())
    assert float(along.square().mean()) == pytest.approx(1.5 * float(mean.square().sum()), rel=0.05)


@pytest.mark.parametrize("counts", [(1, 1), (1, 6), (6, 1)])
def test_a_class_of_one_example_has_no_variance_of_its_own(counts):
    slopes, labels = batch(0.1, 0.1, counts)
    noisy = Marvell(power=1.0).slope(slopes, labels, generator(0))
    assert noisy.isfinite().all()
    assert (noisy.dtype, noisy.shape) == (slopes.dtype, slopes.shape)


def test_more_than_two_classes_are_refused():
    with pytest.raises(ConfigError, match=r"'marvell' hides which of two classes .* 'digits-mlp' has 10 classes; take"):
        Marvell(power=1.0).require(task_of("digits-mlp"))
    Marvell(power=1.0).require(task_of("breast-cancer-mlp"))
