"""What may be said of a figure follows from its interval and both guesses, and from nothing else."""

import math

from hypothesis import given
from hypothesis import strategies as st

from fedleak.report.judgement import SHADES, Judgement, judge, leakage, shade
from fedleak.statistics.summary import summarise

FIGURES = st.floats(-50, 100)


def test_beyond_guessing_and_at_the_threshold_is_leaked(make_summary):
    assert judge(make_summary(30.0, 31.0)) is Judgement.LEAKED


def test_beyond_guessing_below_the_threshold_is_not_leaked(make_summary):
    assert judge(make_summary(15.0, 16.0)) is Judgement.BEYOND


def test_an_interval_that_reaches_down_to_guessing_is_unclear(make_summary):
    assert judge(make_summary(13.0, 30.0, half=10.0)) is Judgement.UNCLEAR


def test_a_guess_without_luck_does_not_turn_one_hit_of_four_into_leakage(make_row):
    hits = [make_row(hit, client=c, metric="label-recall", unit="share", baseline=0.0, no_gradient=0.0)
            for c, hit in enumerate((1.0, 0.0, 0.0, 0.0))]  # fmt: skip
    (one,) = summarise(hits)
    assert one.interval.low > one.prior
    assert judge(one) is Judgement.UNCLEAR


def test_one_hit_of_one_is_too_few_and_four_of_four_are_not(make_row):
    hits = [
        make_row(1.0, client=c, metric="label-recall", unit="share", baseline=0.0, no_gradient=0.1) for c in range(4)
    ]
    assert judge(summarise(hits[:1])[0]) is Judgement.TOO_FEW
    assert judge(summarise(hits)[0]) is Judgement.LEAKED


def test_the_better_guess_counts(make_summary):
    assert judge(make_summary(13.5, half=0.5)) is Judgement.BEYOND
    assert judge(make_summary(13.5, half=0.5, no_gradient=15.0)) is Judgement.NOTHING


def test_without_an_interval_it_is_too_few(make_summary):
    assert judge(make_summary(99.0, half=math.nan)) is Judgement.TOO_FEW


def test_without_anything_to_compare_it_is_too_few(make_summary):
    assert judge(make_summary(99.0, prior=math.nan, no_gradient=math.nan)) is Judgement.TOO_FEW


def test_without_a_figure_there_is_none(make_summary):
    assert judge(make_summary()) is Judgement.MISSING
    assert shade(make_summary()) is None


def test_where_lower_is_more_leakage_everything_turns_round(make_summary):
    leaked = make_summary(0.001, 0.002, half=0.001, prior=0.1, no_gradient=0.2, metric="mse")
    assert judge(leaked) is Judgement.LEAKED
    assert shade(leaked) == SHADES - 1
    assert judge(make_summary(0.15, half=0.001, prior=0.1, no_gradient=0.2, metric="mse")) is Judgement.NOTHING


@given(mean=FIGURES, half=st.floats(0, 30), prior=FIGURES, blind=FIGURES)
def test_more_than_guessing_is_never_said_of_an_interval_that_holds_it(make_summary, mean, half, prior, blind):
    one = make_summary(mean, half=half, prior=prior, no_gradient=blind)
    if mean - half <= max(prior, blind):
        assert judge(one) not in (Judgement.LEAKED, Judgement.BEYOND)


@given(mean=FIGURES, prior=FIGURES, blind=FIGURES)
def test_the_colour_lies_between_none_and_full(make_summary, mean, prior, blind):
    one = make_summary(mean, prior=prior, no_gradient=blind)
    assert 0 <= leakage(one) <= 1
    assert shade(one) in range(SHADES)
