"""A planted shift is a regression; noise is none; less leakage is none."""

from pathlib import Path

import numpy as np
import pytest

from fedleak.errors import DataError
from fedleak.gate.baseline import compare

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
    verdict = compare(run(1), run(1), OLD, 0.05)
    assert verdict.passed
    assert (verdict.unchanged, verdict.changes) == (5, ())


def test_what_was_left_alone_does_not_make_a_change_harder_to_see(make_row):
    """Four messages, as in a short experiment, and a change of 18 dB among a hundred groups."""
    still = [make_row(9.0 + i, defense=f"d{i}", client=client) for i in range(100) for client in range(4)]
    old = [make_row(figure, client=client) for client, figure in enumerate([11.0, 12.0, 13.0, 14.0])]
    new = [make_row(figure, client=client) for client, figure in enumerate([24.0, 36.0, 26.0, 37.0])]
    verdict = compare([*still, *new], [*still, *old], OLD, 0.05)
    assert verdict.regressions
    assert verdict.unchanged == 100


def test_what_cannot_be_compared_is_counted(run, make_row):
    new = [*run(1), make_row(1.0, defense="new"), make_row(1.0, attack="new"), make_row(1.0, attack="once")]
    verdict = compare(new, [*run(2), make_row(2.0, attack="once")], OLD, 0.05)
    assert verdict.passed
    assert (verdict.new_groups, verdict.undecided) == (2, 1)


def test_a_baseline_with_nothing_in_common_is_an_error(make_row):
    with pytest.raises(DataError, match="runs/old has no cell in common with this run"):
        compare([make_row(1.0)], [make_row(1.0, seed=7)], OLD, 0.05)
    with pytest.raises(DataError, match="has no cell in common"):
        compare([make_row(1.0)], [make_row(1.0, defense="other")], OLD, 0.05)


def test_a_comparison_that_could_test_nothing_says_so(make_row, run):
    assert "no group has enough messages" in compare([make_row(9.0)], [make_row(1.0)], OLD, 0.05).problem
    assert compare(run(1), run(2), OLD, 0.05).problem == ""


def test_the_attack_of_another_time_is_no_baseline_without_a_word(make_row, run):
    verdict = compare(run(1), run(2), OLD, 0.05, changed=["attacks.0.steps: 60 in the baseline, 1 here"])
    assert not verdict.passed
    assert compare(run(1), run(2), OLD, 0.05, changed=verdict.differences, allow_changes=True).passed


@pytest.mark.parametrize(
    ("new", "clause"),
    [
        ([], "psnr of dlg on single updates under 'x' (digits-mlp): in the baseline and not in this run"),
        (["failed", "failed"], "2 messages had a figure in the baseline and none has one now (2 x it raised)"),
        ([1.0, "failed"], "1 of 2 messages that had a figure in the baseline have none now (1 x it raised)"),
        ([1.0], "1 of 2 messages that had a figure in the baseline have none now (1 x not attacked)"),
    ],
)
def test_a_figure_that_is_gone_fails_unless_that_is_allowed(run, make_row, new, clause):
    def rows(values):
        figures = [() if value == "failed" else (value,) for value in values]
        return [make_row(*figure, defense="x", client=client) for client, figure in enumerate(figures)]

    news, olds = [*run(1), *rows(new)], [*run(1), *rows([1.0, 1.0])]
    verdict = compare(news, olds, OLD, 0.05)
    assert not verdict.passed
    (difference,) = verdict.differences
    assert difference.endswith(clause)
    assert compare(news, olds, OLD, 0.05, allow_changes=True).passed


def test_a_seed_that_is_not_run_any_more_is_no_loss(run):
    assert compare([row for row in run(1) if row.seed < 6], run(1), OLD, 0.05).passed


def test_what_failed_before_and_leaks_now_fails(run, make_row):
    def verdict(*samples):
        return compare([*run(1), make_row(*samples, defense="x")], [*run(1), make_row(defense="x")], OLD, 0.05)

    (figures,) = verdict(60.0, 12.0).new_figures
    assert (figures.leaked, figures.metric, figures.measurement.messages) == (1, "psnr", 1)
    assert not verdict(60.0, 12.0).passed
    assert verdict(12.0).new_figures
    assert verdict(12.0).passed


def test_a_baseline_in_which_all_failed_is_in_common(make_row):
    verdict = compare([make_row(60.0)], [make_row()], OLD, 0.05)
    assert verdict.leaks
    assert "no group has enough messages" in verdict.problem


@pytest.mark.parametrize(("new", "problem"), [(72.0, "could not be tested (1 pair), but leaks 60 dB more"), (14.9, "")])
def test_what_could_not_be_tested_may_not_leak_more_than_the_margin(run, make_row, new, problem):
    verdict = compare([*run(1), make_row(new, defense="x")], [*run(1), make_row(12.0, defense="x")], OLD, 0.05)
    (change,) = (one for one in verdict.changes if not one.tested)
    assert change.problem == problem
    assert verdict.passed is not bool(problem)


def test_where_less_is_more_leakage_an_untested_fall_fails(run, make_row):
    verdict = compare(
        [*run(1), make_row(0.001, defense="x", **ERROR)], [*run(1), make_row(0.1, defense="x", **ERROR)], OLD, 0.05
    )
    assert verdict.regressions[0].problem == "could not be tested (1 pair), but leaks 0.099 (squared intensity) more"


def test_guesses_without_the_update_are_not_compared(run, make_row):
    prior = {"algorithm": "prior", "attack": "prior"}
    verdict = compare([*run(1), make_row(90.0, **prior)], [*run(1), make_row(1.0, **prior)], OLD, 0.05)
    assert verdict.passed
    assert (verdict.unchanged, verdict.changes) == (5, ())
