"""Singletons: the distribution is that of all ways to put examples into bins."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from fedleak.statistics.singletons import (
    expected_alone,
    expected_share,
    most_singletons,
    most_together,
    returned_distribution,
    singleton_distribution,
)


@pytest.mark.parametrize(("examples", "bins"), [(1, 1), (1, 3), (2, 2), (3, 2), (4, 5), (6, 3), (5, 6)])
def test_the_distribution_is_that_of_all_ways(examples: int, bins: int) -> None:
    ways = [sum(count == 1 for count in Counter(way).values()) for way in product(range(bins), repeat=examples)]
    counted = np.bincount(ways, minlength=examples + 1) / len(ways)
    assert singleton_distribution(examples, bins) == pytest.approx(counted, abs=1e-12)


@pytest.mark.parametrize(("examples", "bins", "read"), [(1, 3, 2), (4, 3, 1), (5, 4, 3), (6, 3, 2), (3, 5, 5)])
def test_so_is_that_of_some_bins_and_where_crowded_ones_give_one_back_too(examples: int, bins: int, read: int) -> None:
    ways = [Counter(way) for way in product(range(bins), repeat=examples)]
    for mixed in (0.0, 0.2, 1.0):
        expected = np.zeros(examples + 1)
        for way in ways:
            alone = sum(count == 1 and place < read for place, count in way.items())
            crowded = sum(count > 1 and place < read for place, count in way.items())
            for more in range(crowded + 1):
                expected[alone + more] += binom.pmf(more, crowded, mixed) / len(ways)
        assert returned_distribution(examples, bins, read, mixed) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("examples", "bins"), [(600, 12), (80, 2), (640, 16), (4000, 4), (72, 2), (40, 40)])
@pytest.mark.parametrize("mixed", [0.0, 0.06, 1.0])
def test_it_is_a_distribution_where_bins_are_crowded_too(examples: int, bins: int, mixed: float) -> None:
    distribution = returned_distribution(examples, bins, mixed=mixed)
    assert distribution.sum() == pytest.approx(1.0, abs=1e-6)
    assert distribution.min() >= 0.0
    if mixed == 1.0 and examples > 30 * bins:
        assert distribution[bins] == pytest.approx(1.0)
        assert most_together([distribution] * 3) == 3 * bins


@pytest.mark.parametrize(("examples", "bins"), [(64, 512), (256, 1024), (64, 16), (2048, 2048), (512, 65536)])
def test_its_mean_is_the_closed_formula(examples: int, bins: int) -> None:
    distribution = singleton_distribution(examples, bins)
    assert distribution.sum() == pytest.approx(1.0)
    share = distribution @ np.arange(examples + 1) / examples
    assert share == pytest.approx(expected_share(examples, bins)) == (1 - 1 / bins) ** (examples - 1)


def test_the_quantile_is_passed_as_often_as_it_says() -> None:
    distribution = singleton_distribution(64, 128)
    most = most_singletons(64, 128, chance=0.01)
    assert distribution[most + 1 :].sum() <= 0.01 < distribution[most:].sum()
    assert most_singletons(64, 512) == 64
    assert most_singletons(64, 512, draws=5) < 5 * 64


def test_nobody_is_alone_among_none() -> None:
    assert expected_share(0, 4) == 0.0
    assert most_singletons(1, 4, draws=3) == 3
    assert most_together([]) == 0


@pytest.mark.parametrize("merging", [False, True])
def test_of_bins_that_are_not_read_some_or_what_is_above_is_lost(merging: bool) -> None:
    """Beside a drawing of bins, examples and what is read, many times over."""
    rng, examples, bins, read, draws = np.random.default_rng(0), 12, 200, 0.6, 2000
    found = 0
    for _ in range(draws):
        own = rng.random(bins) < read
        place = rng.integers(bins, size=examples)
        if merging:  # each counts for the last bin at or below its own that is read
            below = np.maximum.accumulate(np.where(own, np.arange(bins), -1))[place]
            found += int((np.bincount(below[below >= 0], minlength=bins) == 1).sum())
        else:
            found += int((np.bincount(place, minlength=bins)[own] == 1).sum())
    assert found / draws == pytest.approx(expected_alone(examples, bins, read=read, merging=merging), rel=0.02)


def test_where_all_bins_are_read_it_is_the_formula() -> None:
    for merging in (False, True):
        assert expected_alone(16, 64, merging=merging) == pytest.approx(16 * expected_share(16, 64))
        assert expected_alone(16, 64, read=1 - 1e-12, merging=merging) == pytest.approx(16 * expected_share(16, 64))
        assert expected_alone(0, 64, read=0.5, merging=merging) == 0.0
