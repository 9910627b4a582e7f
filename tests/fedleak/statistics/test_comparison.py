"""Paired tests are scipy's on the cells that both have; what cannot be told is NaN."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedleak.errors import ConfigError
from fedleak.results import AGGREGATE
from fedleak.statistics.comparison import compare_defenses, compare_runs, holm


@pytest.fixture
def paired(make_row):
    """Rows under `none` and under `noisy`, one pair of values a client."""

    def make(before, after, **changed):
        return [
            make_row(float(value), defense=defense, client=client, **changed)
            for defense, values in (("none", before), ("noisy", after))
            for client, value in enumerate(values)
        ]

    return make


def test_messages_are_paired_as_scipy_does(paired):
    before, after = [20.0, 22.0, 19.0, 25.0], [15.0, 18.5, 16.0, 18.0]
    (found,) = compare_defenses(paired(before, after), "none")
    assert found.p_value == pytest.approx(stats.ttest_rel(after, before).pvalue)
    assert found.difference == pytest.approx(np.mean(np.subtract(after, before)))
    low, high = stats.ttest_rel(after, before).confidence_interval()
    assert (found.interval.low, found.interval.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.pairs, found.test) == (4, "paired t-test over 4 messages")
    assert (found.group.defense, found.reference.defense) == ("noisy", "none")


def test_from_five_seeds_on_the_seeds_are_paired(make_row):
    generator = np.random.default_rng(0)
    before, after = generator.normal(20, 3, size=(2, 6, 4))
    rows = [
        make_row(float(values[seed, client]), defense=defense, seed=seed, client=client)
        for defense, values in (("none", before), ("noisy", after))
        for seed in range(6)
        for client in range(4)
    ]
    (found,) = compare_defenses(rows, "none")
    assert found.p_value == pytest.approx(stats.ttest_rel(after.mean(axis=1), before.mean(axis=1)).pvalue)
    assert (found.pairs, found.test) == (24, "paired t-test over 6 seeds")
    assert found.interval.method == "bootstrap over 6 seeds"


@given(shift=st.floats(-50, 50), values=st.lists(st.floats(0, 40), min_size=3, max_size=8))
def test_a_shift_of_every_pair_moves_the_difference_by_it(make_row, shift, values):
    def compared(by):
        rows = [make_row(value, client=client) for client, value in enumerate(values)]
        noise = [math.sin(client) for client in range(len(values))]
        rows += [
            make_row(value + noise[client] + by, client=client, defense="noisy") for client, value in enumerate(values)
        ]
        return compare_defenses(rows, "none")[0]

    still, moved = compared(0.0), compared(shift)
    assert moved.difference == pytest.approx(still.difference + shift, abs=1e-6)
    assert moved.interval.low == pytest.approx(still.interval.low + shift, abs=1e-6)


def test_only_messages_with_a_figure_on_both_sides_are_paired(make_row, paired):
    rows = paired([20.0, 22.0, 19.0], [15.0, 18.5, 16.0])
    extra = [make_row(client=3), make_row(90.0, client=3, defense="noisy"), make_row(90.0, client=4)]
    assert compare_defenses([*rows, *extra], "none") == compare_defenses(rows, "none")


def test_tuning_rows_are_not_compared(make_row, paired):
    rows = paired([20.0, 22.0, 19.0], [15.0, 18.5, 16.0])
    tuning = [replace(row, split="tuning", value=99.0, seed=9) for row in rows]
    assert compare_defenses([*rows, *tuning], "none") == compare_defenses(rows, "none")
    assert compare_runs([*rows, *tuning], rows + tuning) == compare_runs(rows, rows)


@pytest.mark.parametrize(
    ("differences", "p_value"),
    [
        ([0.0, 0.0], 1.0),
        ([1e-13, -2e-13, 3e-13], 1.0),
        ([2.0, 2.0, 2.0], 0.0),
        ([0.1, 0.1 + 1e-14, 0.1], 0.0),
        ([2.0, 2.0], math.nan),
        ([2.0], math.nan),
    ],
)
def test_differences_without_spread(paired, differences, p_value):
    before = [20.0 + i for i in range(len(differences))]
    (found,) = compare_defenses(paired(before, np.add(before, differences)), "none")
    assert found.p_value == pytest.approx(p_value, nan_ok=True)
    assert found.difference == pytest.approx(np.mean(differences), abs=1e-9)


def test_too_few_pairs_say_so(make_row, paired):
    (one,) = compare_defenses(paired([20.0], [15.0]), "none")
    assert (one.pairs, one.test, one.difference) == (1, "too few: 1 message", -5.0)
    assert math.isnan(one.interval.low)
    (none,) = compare_defenses([make_row(1.0, client=0), make_row(2.0, client=1, defense="noisy")], "none")
    assert (none.pairs, none.test) == (0, "too few: 0 messages")
    assert math.isnan(none.difference)
    assert math.isnan(none.p_value)


def test_a_sum_is_not_compared_with_single_updates(make_row):
    assert compare_defenses([make_row(1.0), make_row(2.0, client=AGGREGATE, defense="secure")], "none") == []


def test_an_unknown_reference_is_one_sentence(paired):
    with pytest.raises(ConfigError, match=r"no defense of this run is called 'nois'; did you mean 'noisy'\?"):
        compare_defenses(paired([1.0], [2.0]), "nois")


def test_without_rows_there_is_nothing_to_compare():
    assert compare_defenses([], "none") == []
    assert compare_runs([], []) == []


def test_runs_are_compared_group_by_group(make_row):
    groups = [("psnr", "dlg"), ("psnr", "idlg"), ("ssim", "dlg")]
    old = [make_row(v, client=c, metric=m, attack=a) for m, a in groups for c, v in enumerate((1.0, 2.0, 4.0))]
    new = [replace(row, value=row.value + row.client + 1) for row in old] + [make_row(1.0, attack="bias-sign")]
    found = compare_runs(new, old)
    assert [(comparison.group.metric, comparison.group.attack) for comparison in found] == groups
    assert all(comparison.group == comparison.reference for comparison in found)
    alone = stats.ttest_rel([2.0, 4.0, 7.0], [1.0, 2.0, 4.0]).pvalue
    assert [comparison.p_value for comparison in found] == pytest.approx(
        [2 * alone, 2 * alone, alone]
    )  # a family for each metric


def test_a_run_does_not_differ_from_itself(paired):
    rows = paired([20.0, 22.0, 19.0], [15.0, 18.5, 16.0])
    assert [(found.difference, found.p_value) for found in compare_runs(rows, rows)] == [(0.0, 1.0)] * 2


def test_holm_as_computed_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_test_that_could_not_be_made_does_not_count():
    assert holm([0.02, math.nan, 0.03]) == pytest.approx([0.04, math.nan, 0.04], nan_ok=True)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(p_values):
    corrected = holm(p_values)
    for p, c in zip(p_values, corrected, strict=True):
        assert p <= c <= min(1, p * len(p_values)) or c == pytest.approx(p)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
