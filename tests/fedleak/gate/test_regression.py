"""A planted shift is a regression; noise is none; less leakage is none."""

from pathlib import Path

import numpy as np
import pytest

from fedleak.errors import DataError
from fedleak.gate.regression import compare

ERROR = {"metric": "mse", "unit": "squared intensity", "higher_is_better": False}
OLD = Path("runs/old")


@pytest.fixture
def run(make_row):
    """A run of 8 seeds and 2 clients under 5 defenses, noisy; `shift` is added to one defense."""

    def make(dice, shift=0.0, **changed):
        noise = np.random.default_rng(dice).normal(20, 3, size=(5, 8, 2))
        noise[2] += shift
        return [
            make_row(float(noise[d, s, c]), defense=f"d{d}", seed=s, client=c, **changed)
            for d in range(5)
            for s in range(8)
            for c in range(2)
        ]

    return make


def test_a_planted_shift_is_found_in_its_group_and_nowhere_else(run):
    verdict = compare(run(1, shift=8.0), run(2), OLD, 0.05)
    (found,) = verdict.regressions
    assert found.comparison.group.defense == "d2"
    assert found.new - found.old == pytest.approx(found.comparison.difference)
    assert found.comparison.interval.low > 0
    assert verdict.changes[0] is found
    assert len(verdict.changes) == 5


def test_noise_is_no_regression(run):
    """Twenty pairs of runs that differ by chance alone: at 5%, three or more would be one time in thirteen."""
    found = [compare(run(seed), run(1000 + seed), OLD, 0.05).regressions for seed in range(20)]
    assert sum(map(bool, found)) <= 2


def test_less_leakage_is_no_regression(run):
    assert not compare(run(1, shift=-8.0), run(2), OLD, 0.05).regressions


def test_where_less_is_more_leakage_a_fall_is_the_regression(run):
    assert compare(run(1, shift=-8.0, **ERROR), run(2, **ERROR), OLD, 0.05).regressions
    assert not compare(run(1, shift=8.0, **ERROR), run(2, **ERROR), OLD, 0.05).regressions


def test_a_stricter_alpha_finds_less(run):
    new, old = run(1, shift=4.0), run(2)
    assert compare(new, old, OLD, 0.5).regressions
    assert not compare(new, old, OLD, 1e-9).regressions


def test_a_run_does_not_regress_against_itself(run):
    assert not compare(run(1), run(1), OLD, 0.05).regressions


def test_what_cannot_be_compared_is_counted(run, make_row):
    new = [*run(1), make_row(1.0, defense="new"), make_row(1.0, attack="once")]
    verdict = compare(new, [*run(2), make_row(2.0, attack="once")], OLD, 0.05)
    assert (verdict.new_groups, verdict.undecided) == (1, 1)


def test_a_baseline_with_nothing_in_common_is_an_error(make_row):
    with pytest.raises(DataError, match="runs/old has no cell in common with this run"):
        compare([make_row(1.0)], [make_row(1.0, seed=7)], OLD, 0.05)
    with pytest.raises(DataError, match="has no cell in common"):
        compare([make_row(1.0)], [make_row(1.0, defense="other")], OLD, 0.05)


def test_a_comparison_that_could_test_nothing_says_so(make_row, run):
    assert "no group has enough messages" in compare([make_row(9.0)], [make_row(1.0)], OLD, 0.05).problem
    assert compare(run(1), run(2), OLD, 0.05).problem == ""
