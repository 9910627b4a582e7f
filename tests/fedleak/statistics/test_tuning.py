"""Tuning seeds choose among the variants of an attack; test seeds have no say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.results.schema import AGGREGATE
from fedleak.statistics.tuning import tuned_variants

SHORT, LONG = "inverting-gradients steps=100", "inverting-gradients steps=400"


def chosen(rows):
    return sorted(variant.attack for variant in tuned_variants(rows))


@pytest.fixture
def tuning(make_row):
    """Rows of tuning seed 9."""

    def make(*samples, **changed):
        algorithm = changed.get("attack", "dlg").partition(" ")[0]
        return make_row(*samples, **{"split": "tuning", "seed": 9, "algorithm": algorithm, **changed})

    return make


def test_the_variant_that_leaks_most_on_tuning_rows_is_chosen(tuning):
    rows = [tuning(20.0, attack=SHORT), tuning(10.0, attack=SHORT, client=1), tuning(16.0, attack=LONG)]
    assert chosen(rows) == [LONG]


def test_lower_is_more_leakage_where_the_metric_says_so(tuning):
    rows = [
        tuning(value, attack=label, metric="mse", higher_is_better=False)
        for label, value in ((SHORT, 0.1), (LONG, 0.2))
    ]
    assert chosen(rows) == [SHORT]


@given(values=st.lists(st.floats(-100, 100), min_size=2, max_size=2))
def test_the_test_rows_have_no_say(make_row, values):
    tuned = [
        make_row(value, attack=label, split="tuning", seed=9) for label, value in ((SHORT, 2.0), (LONG, 1.0))
    ]  # fmt: skip
    tested = [make_row(value, attack=label) for label, value in zip((SHORT, LONG), values, strict=True)]
    assert chosen(tuned + tested) == chosen(tested + tuned) == [SHORT]
    assert chosen([replace(row, metric="a") for row in tested] + tuned) == [SHORT]


def test_without_tuning_rows_nothing_is_chosen(make_row):
    assert not tuned_variants([make_row(1.0, attack=SHORT), make_row(2.0, attack=LONG)])


def test_each_attack_defense_setting_task_and_sender_chooses_for_itself(tuning):
    places = [
        {}, {"defense": "noisy"}, {"setting": {"federation.batch_size": 4}}, {"task": "t"}, {"client": AGGREGATE},
    ]  # fmt: skip
    rows = []
    for i, place in enumerate(places):
        rows += [tuning(float(i % 2), attack=SHORT, **place), tuning(0.5, attack=LONG, **place)]
    rows += [tuning(0.0, attack="dlg"), tuning(99.0, attack="dlg-2", algorithm="dlg")]
    assert chosen(rows) == ["dlg-2", SHORT, SHORT, LONG, LONG, LONG]


def test_the_first_metric_with_a_figure_decides(tuning):
    rows = []
    for label, psnr, recall in (("a x=1", (), 0.1), ("a x=2", (), 0.9), ("b x=1", (5.0,), 0.1), ("b x=2", (4.0,), 0.9)):
        rows += [tuning(*psnr, attack=label), tuning(recall, attack=label, metric="label-recall")]
    assert chosen(rows) == ["a x=2", "b x=1"]


def test_a_variant_that_failed_throughout_is_not_chosen(tuning):
    assert chosen([tuning(attack=SHORT), tuning(-5.0, attack=LONG)]) == [LONG]
    assert not chosen([tuning(attack=SHORT), tuning(attack=LONG)])


def test_a_variant_that_mostly_diverges_does_not_win_by_the_messages_that_suit_it(tuning):
    """Its failures count as the guess, 10 dB: (40 + 10 + 10) / 3 is less than 25."""
    steady = [tuning(25.0, attack=LONG, client=client) for client in range(3)]
    wild = [tuning(40.0, attack=SHORT), *(tuning(attack=SHORT, client=client) for client in (1, 2))]
    assert chosen(wild + steady) == [LONG]
    assert chosen([replace(row, applicable=not row.reason) for row in wild] + steady) == [SHORT]


def test_a_failure_without_a_guess_takes_that_of_another_variant_for_the_same_message(tuning):
    nan = float("nan")
    steady = [tuning(25.0, attack=LONG, client=client) for client in range(3)]
    wild = [tuning(40.0, attack=SHORT), *(tuning(attack=SHORT, client=client, baseline=nan) for client in (1, 2))]
    assert chosen(wild + steady) == [LONG]
    assert chosen(wild + steady[:1]) == [SHORT]


def test_one_variant_alone_is_not_chosen_from_anything(tuning):
    assert not chosen([tuning(5.0, attack=SHORT), tuning(0.5, attack=SHORT, metric="ssim")])


def test_of_equals_the_first_is_chosen(tuning):
    assert chosen([tuning(1.0, attack=LONG), tuning(1.0, attack=SHORT)]) == [LONG]


def test_variants_are_those_of_one_algorithm_whatever_their_labels(tuning):
    rows = [tuning(value, attack=label, algorithm="dlg") for label, value in (("dlg-2", 1.0), ("a-9 x=1", 2.0))]
    assert chosen([*rows, tuning(3.0, attack="dlg", algorithm="other")]) == ["a-9 x=1"]
