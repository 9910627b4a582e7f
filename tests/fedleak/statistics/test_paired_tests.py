"""Paired tests are scipy's on the cells that both have; what cannot be told is NaN."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedleak.errors import ConfigError
from fedleak.results.schema import AGGREGATE
from fedleak.statistics.paired_tests import compare_defenses, compare_runs

RECALL = {"metric": "label-recall", "unit": "share of labels"}


def flipped(differences):
    """scipy's p-value of all sign flips."""
    return stats.permutation_test(
        (np.array(differences),), np.mean, permutation_type="samples", vectorized=True, n_resamples=np.inf
    ).pvalue


@pytest.fixture(scope="session")
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
    assert found.p_value == pytest.approx(flipped(np.subtract(after, before)))
    assert found.difference == pytest.approx(np.mean(np.subtract(after, before)))
    low, high = stats.ttest_rel(after, before).confidence_interval()
    assert (found.interval.low, found.interval.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.pairs, found.test) == (
        4,
        "exact sign-flip test over 4 messages of one seed, which cannot show p < 0.125",
    )
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
    assert found.p_value == pytest.approx(flipped((after - before).mean(axis=1)))
    assert (found.pairs, found.test) == (24, "exact sign-flip test over 6 seeds")
    assert found.interval.method.startswith("Student's t over 6 seeds, ")


@pytest.mark.slow
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
        ([2.0, 2.0, 2.0], 1 / 4),
        ([0.1, 0.1 + 1e-14, 0.1], 1 / 4),
        ([2.0, 2.0], 1 / 2),
        ([-2.0] * 6, 1 / 32),
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


@pytest.fixture
def groups(make_row):
    """Three groups, and the same a little later."""
    names = [("psnr", "dlg"), ("psnr", "idlg"), ("ssim", "dlg")]
    old = [make_row(v, client=c, metric=m, attack=a) for m, a in names for c, v in enumerate((1.0, 2.0, 4.0))]
    return names, old, [replace(row, value=row.value + row.client + 1) for row in old]


ALONE = 1 / 4


def test_runs_are_compared_group_by_group_as_one_family(make_row, groups):
    names, old, new = groups
    found = compare_runs([*new, make_row(1.0, attack="bias-sign")], old)
    assert [(comparison.group.metric, comparison.group.attack) for comparison in found] == names
    assert all(comparison.group == comparison.reference for comparison in found)
    assert [comparison.p_value for comparison in found] == pytest.approx([3 * ALONE] * 3)
    assert all(one.test.endswith(", which among 3 tests cannot show p < 0.75") for one in found)
    assert not found[0].can_show(0.05)


def test_defenses_are_compared_in_a_family_for_each_metric(groups):
    _, old, new = groups
    found = compare_defenses(old + [replace(row, defense="noisy") for row in new], "none")
    assert [comparison.p_value for comparison in found] == pytest.approx([2 * ALONE, 2 * ALONE, ALONE])


def test_a_run_does_not_differ_from_itself(paired):
    rows = paired([20.0, 22.0, 19.0], [15.0, 18.5, 16.0])
    assert [(found.difference, found.p_value) for found in compare_runs(rows, rows)] == [(0.0, 1.0)] * 2


@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=12))
def test_hits_and_misses_of_one_sample_have_mcnemar_s_exact_test(paired, pairs):
    before, after = zip(*pairs, strict=True)
    (found,) = compare_defenses(paired(before, after, **RECALL), "none")
    up, down = sum(b < a for b, a in pairs), sum(b > a for b, a in pairs)
    assert found.p_value == pytest.approx(stats.binomtest(up, up + down).pvalue if up + down else 1.0)
    assert found.test.startswith(f"exact sign test over {len(pairs)} messages of one seed")


def test_shares_of_several_samples_are_not_counted_as_one_hit_each(make_row):
    hits = [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]
    rows = [
        make_row(*(own if defense == "none" else (0.0, 0.0)), client=client, defense=defense, **RECALL)
        for defense in ("none", "noisy") for client, own in enumerate(hits)
    ]  # fmt: skip
    (found,) = compare_defenses(rows, "none")
    assert found.p_value == pytest.approx(flipped([1, 0.5, 0.5]))


def test_hits_of_one_seed_go_together(make_row):
    """Twenty hits of five seeds are five units, so that no test is surer than 2 ** -4."""
    rows = [
        make_row(float(defense == "none"), seed=seed, client=client, defense=defense, **RECALL)
        for defense in ("none", "noisy") for seed in range(5) for client in range(4)
    ]  # fmt: skip
    (found,) = compare_defenses(rows, "none")
    assert (found.p_value, found.test) == (1 / 16, "exact sign-flip test over 5 seeds, which cannot show p < 0.0625")
    (alone,) = compare_defenses([row for row in rows if row.client == 0], "none")
    assert (alone.p_value, alone.test) == (
        pytest.approx(1 / 16),
        "exact sign test over 5 seeds, which cannot show p < 0.0625",
    )
