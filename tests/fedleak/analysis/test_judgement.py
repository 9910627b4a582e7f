"""What may be said of a figure: of its samples first, then of its mean beside guessing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedleak.analysis.judgement import BASELINES, FOUND, Judgement, guessing, judge, kind_of, leakage
from fedleak.analysis.strongest import attackers, strongest
from fedleak.statistics.summary import summarize

FIGURES = st.floats(-50, 100)
LABELS = {"metric": "label-recall", "unit": "share of labels", "no_access": 0.0}


def judged(rows):
    (one,) = summarize(rows)
    return judge(one)


def messages(make_row, values, **changed):
    return [make_row(value, client=client, **changed) for client, value in enumerate(values)]


@pytest.mark.parametrize("values", [[11.7, 10.1, 11.2, 70.6], [8.0] * 11 + [45.0]])
def test_one_rebuilt_image_has_leaked_whatever_the_mean_says(make_row, values):
    assert judged(messages(make_row, values, baseline=11.2)) is Judgement.LEAKED


def test_one_message_whose_images_were_rebuilt_is_not_too_few(make_row):
    assert judged([make_row(*[100.0] * 64, certifiable=True, certified=True)]) is Judgement.LEAKED
    assert judged([make_row(100.0)]) is Judgement.LEAKED


def test_what_was_hidden_of_one_image_and_rebuilt_has_leaked_as_an_image_has(make_row):
    pixels = {"metric": "column-psnr", "no_access": 12.0}
    assert judged([make_row(70.0, baseline=11.2, **pixels)]) is Judgement.LEAKED
    assert judged(messages(make_row, [11.7, 10.1, 11.2, 70.6], baseline=11.2, **pixels)) is Judgement.LEAKED
    values = {"metric": "column-accuracy", "unit": "share of values", "no_access": 0.5}
    assert judged([make_row(1.0, baseline=0.5, **values)]) is not Judgement.LEAKED


def test_an_image_that_guessing_comes_near_is_not_rebuilt(make_row):
    assert judged(messages(make_row, [22.1, 22.2, 22.2, 22.3], baseline=21.0)) is Judgement.BEYOND


def test_gains_that_are_all_equal_have_no_spread_that_shows_more_than_luck(make_row):
    assert judged(messages(make_row, [22.2] * 4, baseline=21.0)) is Judgement.UNCLEAR


def test_one_hit_of_four_is_luck_even_beside_a_guess_that_had_none(make_row):
    assert judged(messages(make_row, [1.0, 0.0, 0.0, 0.0], baseline=0.0, **LABELS)) is Judgement.UNCLEAR


def test_four_labels_of_four_are_read_and_one_of_one_is_too_few(make_row):
    assert judged(messages(make_row, [1.0] * 4, baseline=0.1, **LABELS)) is Judgement.LEAKED
    assert judged(messages(make_row, [1.0], baseline=0.1, **LABELS)) is Judgement.TOO_FEW


def test_labels_that_a_proved_guess_got_right_are_no_luck(make_row):
    proof = {"certifiable": True, "certified": True}
    assert judged(messages(make_row, [1.0], baseline=0.1, **proof, **LABELS)) is Judgement.LEAKED
    assert judged(messages(make_row, [0.0], baseline=0.1, **proof, **LABELS)) is not Judgement.LEAKED


def test_a_proved_guess_has_leaked_by_itself(make_summary):
    assert judge(make_summary(15.0, half=math.nan, certifiable=1, certified=1)) is Judgement.LEAKED


def test_beyond_guessing_below_the_threshold_is_not_leaked(make_summary):
    assert judge(make_summary(15.0, 16.0)) is Judgement.BEYOND


def test_what_chance_may_explain_is_unclear(make_summary):
    assert judge(make_summary(13.0, 16.0, half=10.0)) is Judgement.UNCLEAR


def test_the_better_guess_counts(make_summary):
    assert judge(make_summary(13.5, half=0.5)) is Judgement.BEYOND
    assert judge(make_summary(13.5, half=0.5, no_access=15.0)) is Judgement.NOTHING


def test_without_an_interval_it_is_too_few(make_summary):
    assert judge(make_summary(19.0, half=math.nan)) is Judgement.TOO_FEW


def test_without_anything_to_compare_it_is_too_few(make_summary):
    assert judge(make_summary(19.0, prior=math.nan, no_access=math.nan)) is Judgement.TOO_FEW


def test_without_a_figure_there_is_none(make_summary):
    assert judge(make_summary()) is Judgement.MISSING


@pytest.mark.parametrize("attack", BASELINES)
def test_an_attack_that_ignores_the_update_is_never_a_finding(make_summary, attack):
    assert judge(make_summary(99.0, attack=attack)) is Judgement.BLIND


CLASSES = {"metric": "recognised", "prior": 0.0, "no_access": 0.0}


def test_a_class_may_be_recognised_by_luck_so_that_what_counts_is_how_many(make_summary):
    assert judge(make_summary(1.0, 1.0, half=0.2, **CLASSES)) is Judgement.LEAKED
    assert judge(make_summary(1.0, 0.0, half=math.nan, **CLASSES)) is Judgement.TOO_FEW
    assert judge(make_summary(0.0, 0.0, half=0.0, **CLASSES)) is Judgement.NOTHING


def test_where_public_data_has_the_classes_nothing_was_to_be_gained(make_row, make_summary):
    assert judge(make_summary(1.0, 1.0, half=0.2, nothing_to_gain=True, **CLASSES)) is Judgement.NO_GAIN
    about = {"metric": "recognised", "unit": "share of classes", "baseline": 0.0, "no_access": 0.0}
    for known, expected in (((2, 2), True), ((2, 1), False), ((0, 0), False)):
        rows = [make_row(1.0, 1.0, seed=seed, known_classes=count, **about) for seed, count in enumerate(known)]
        assert [one.nothing_to_gain for one in summarize(rows)] == [expected]


@pytest.mark.parametrize("metric", ["judged", "class-ssim", "nearest-private"])
def test_a_figure_that_only_stands_beside_is_no_finding_and_no_attacker_s(make_summary, metric):
    mute = make_summary(1.0, 1.0, half=0.01, metric=metric, prior=0.0, no_access=0.0)
    assert judge(mute) is Judgement.BESIDE
    assert attackers([mute]) == []
    assert strongest([mute, make_summary(0.0, 0.0, half=0.1, **CLASSES)]).group.metric == "recognised"


def test_where_lower_is_more_leakage_everything_turns_round(make_summary):
    leaked = make_summary(0.001, 0.002, half=0.001, prior=0.1, no_access=0.2, metric="mse")
    assert judge(leaked) is Judgement.LEAKED
    assert leakage(leaked) == 1
    assert guessing(leaked) == pytest.approx(0.1)
    assert judge(make_summary(0.15, half=0.001, prior=0.1, no_access=0.2, metric="mse")) is Judgement.NOTHING


@pytest.mark.slow
@given(mean=FIGURES, half=st.floats(0, 30), prior=FIGURES, blind=FIGURES)
def test_nothing_is_found_where_no_image_beats_its_guess(make_summary, mean, half, prior, blind):
    one = make_summary(mean, half=half, prior=prior, no_access=blind)
    if mean <= max(prior, blind):
        assert judge(one) not in FOUND


@given(samples=st.lists(FIGURES, min_size=1, max_size=5), half=st.floats(0, 30), prior=FIGURES)
def test_leakage_is_at_least_three_quarters_where_single_samples_leaked_and_else_at_most_half(
    make_summary, samples, half, prior
):
    one = make_summary(*samples, half=half, prior=prior, no_access=-50.0)
    assert 0 <= leakage(one) <= 1
    assert (leakage(one) >= 0.75) == (leakage(one) > 0.5) == (judge(one) is Judgement.LEAKED)


def test_a_metric_that_is_not_installed_is_of_no_kind():
    assert kind_of("someone-else-s") == "unknown"
